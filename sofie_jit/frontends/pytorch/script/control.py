"""Branches and loops of TorchScript whose conditions the model computes: the operators If and Loop.

The code is evaluated as it is elsewhere, but its operators become a body. Its local names have the values of both
branches, or those of the tensors that a loop carries. The tensors that it changes in place are treated as names are.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.base import NodeCall, Problems
from sofie_jit.frontends.control_flow import Iteration, repeated
from sofie_jit.frontends.pytorch.carried import Form, check_decided, common_form, rebuilt, taken_apart, tensors_in
from sofie_jit.frontends.pytorch.conditions import flag, merged
from sofie_jit.frontends.pytorch.script.memory import Memory, copied, link
from sofie_jit.frontends.pytorch.values import NUMBERS, Tensor
from sofie_jit.frontends.wording import CUT
from sofie_jit.ir.bodies import body
from sofie_jit.ir.builder import Symbol

Scope = dict[str, Any]


def live_names(function: ast.AST, statement: ast.stmt) -> list[str]:
    """The names that a function may read after a statement, or in the next iteration of a loop.

    >>> lines = ["def f(x):", " if x:", "  t = 1", "  y = t", " else:", "  y = 2", " return y"]
    >>> function = ast.parse(chr(10).join(lines)).body[0]
    >>> live_names(function, function.body[0])
    ['x', 'y']
    """
    inside, first = Counter[str](), dict[str, bool]()
    for name, is_read in _uses(statement):
        inside[name] += is_read
        first.setdefault(name, is_read)
    everywhere = Counter(name for name, is_read in _uses(function) if is_read)
    return sorted(name for name, count in everywhere.items() if count > inside[name] or first.get(name))


def _uses(node: ast.AST) -> Iterator[tuple[str, bool]]:
    """Each use of a name in the order of evaluation, and whether it is read."""
    if isinstance(node, ast.Name):
        yield node.id, isinstance(node.ctx, ast.Load)
    parts: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.Assign):
        parts = [node.value, *node.targets]
    elif isinstance(node, ast.AnnAssign):
        parts = [part for part in (node.value, node.target) if part is not None]
    elif isinstance(node, ast.For):
        parts = [node.iter, node.target, *node.body]
    for part in parts:
        yield from _uses(part)


def branches(
    call: NodeCall, run: Callable[[Sequence[ast.stmt], Scope], None], statement: ast.If, condition: Any, scope: Scope,
    live: Iterable[str],
) -> None:  # fmt: skip
    """Gives the names ``live`` of a scope the values of one of two branches.

    ``run`` executes statements.
    """
    memory = Memory(scope.values())
    bodies, objects, values, changes = [], [], [], []
    for statements in (statement.body, statement.orelse):
        inner = dict(scope)
        with memory.kept(call), body(call.builder, []) as built:
            run(statements, inner)
            changes.append(memory.changed_tensors())
            objects.append(inner)
            values.append({name: copied(inner[name]) for name in live if name in inner})
        bodies.append(built)
    common = [name for name in values[0] if name in values[1]]
    scope.update({name: objects[0][name] for name in common if objects[0][name] is objects[1][name]})
    names = [name for name in common if objects[0][name] is not objects[1][name]]
    tensors = list(dict.fromkeys([*changes[0], *changes[1]]))
    pairs = [(values[0][name], values[1][name]) for name in names]
    then, otherwise = changes
    pairs += [(Tensor(then.get(x, x.value)), Tensor(otherwise.get(x, x.value))) for x in tensors]
    forms = [Form(a) if _is_same_number(a, b) else common_form(a, b) for a, b in pairs]
    results = merged(call, condition, bodies, forms, [list(column) for column in zip(*pairs, strict=True)] or [[], []])
    for tensor, result in zip(tensors, results[len(names) :], strict=True):
        tensor.change(result.value)
    for name, result in zip(names, results, strict=False):
        scope[name] = result
        for inner in objects:
            link(result, inner[name])


def _is_same_number(a: Any, b: Any) -> bool:
    return type(a) is type(b) and isinstance(a, NUMBERS) and a == b


class _MoreCarriedError(UnsupportedLayerError):
    """An iteration changes further names and tensors, which the loop has to carry."""

    def __init__(self, names: Mapping[str, Any], tensors: Sequence[Tensor]):
        super().__init__([])
        self.names = names
        self.tensors = tensors


class Program(Protocol):
    """The interpreter, as a loop sees it."""

    problems: Problems

    def undone(self, error: type[Exception]) -> AbstractContextManager[None]:
        """Forgets all that is added to the model in the context if an ``error`` leaves it."""


class ComputedLoop:
    """A loop whose iterations the model counts.

    ``iterate`` executes an iteration, given its number, and returns the condition of the next one.
    ``live``: names that may be read after an iteration.
    """

    def __init__(
        self, program: Program, call: NodeCall, iterate: Callable[[Symbol, Scope], Any], scope: Scope,
        live: Iterable[str],
    ):  # fmt: skip
        self.program = program
        self.call = call
        self.iterate = iterate
        self.scope = scope
        self.live = live
        self.carried: Scope = {}
        """The names that it carries, each with an example of its value after an iteration."""
        self.tensors: list[Tensor] = []
        """The tensors that it carries because iterations change them in place."""

    def run(self, *, trips: Symbol | None = None, condition: Symbol | None = None) -> None:
        """Gives the names and tensors their values after the loop; see :func:`control_flow.repeated`.

        Iterations are translated again until they change nothing that is not carried.
        """
        problems = len(self.program.problems.found)
        while True:
            try:
                with self.program.undone(_MoreCarriedError):
                    self._attempt(trips, condition, problems)
                return
            except _MoreCarriedError as more:
                self.carried |= more.names
                self.tensors += more.tensors

    def _attempt(self, trips: Symbol | None, condition: Symbol | None, problems: int) -> None:
        call, scope, names = self.call, self.scope, list(self.carried)
        memory = Memory(scope.values())
        before = [*(scope[name] for name in names), *(Tensor(tensor.value) for tensor in self.tensors)]
        examples = [*self.carried.values(), *before[len(names) :]]
        forms = [common_form(*pair) for pair in zip(before, examples, strict=True)]
        last: Scope = {}

        def iteration(number: Symbol, states: Sequence[Symbol]) -> Iteration:
            values = rebuilt(forms, states)
            given = dict(zip(names, values, strict=False))
            for name, value in given.items():
                link(value, scope[name])
            with memory.kept(call):
                for tensor, value in zip(self.tensors, values[len(names) :], strict=True):
                    tensor.change(value.value)
                inner = {**scope, **given}
                condition = self.iterate(number, inner)
                if len(self.program.problems.found) > problems:
                    raise UnsupportedLayerError([])  # the problems are known already
                self._check_carried(memory, inner)
                last.update({name: inner[name] for name in names})
                _check_shared(call, memory, list(given.values()), list(last.values()))
                check_decided(call, condition)
                after = [*(copied(inner[name]) for name in names), *(Tensor(tensor.value) for tensor in self.tensors)]
                return Iteration(None if condition is True else flag(call, condition), taken_apart(call, forms, after))

        states, _ = repeated(call, iteration, taken_apart(call, forms, before), trips=trips, condition=condition)
        results = rebuilt(forms, states)
        for tensor, result in zip(self.tensors, results[len(names) :], strict=True):
            tensor.change(result.value)
        for name, result in zip(names, results, strict=False):
            link(result, scope[name])
            link(result, last[name])
            scope[name] = result

    def _check_carried(self, memory: Memory, inner: Scope) -> None:
        """Raises _MoreCarriedError if an iteration changed a name or a tensor that is not carried."""
        more = {
            name: copied(inner[name])
            for name in self.live
            if name in self.scope and name not in self.carried and inner[name] is not self.scope[name]
            and not _is_same_number(inner[name], self.scope[name])
        }  # fmt: skip
        changed = [tensor for tensor in memory.changed_tensors() if tensor not in self.tensors]
        if more or changed:
            raise _MoreCarriedError(more, changed)


def _check_shared(call: NodeCall, memory: Memory, states: Sequence[Any], after: Sequence[Any]) -> None:
    """Refuses an iteration that changes a carried tensor in place, if another one shares its memory afterwards."""
    changed = any(tensor.state.version for tensor in tensors_in(states))
    roots = [{tensor.root for tensor in tensors_in(value)} for value in after]
    own = [{tensor.root for tensor in tensors_in(value)} for value in states]
    for index, found in enumerate(roots):
        others = set[Tensor]().union(*own[:index], *own[index + 1 :], *roots[:index], *roots[index + 1 :])
        if changed and (found & others or any(root in memory for root in found)):
            call.refuse(
                "it changes a tensor in place, and an iteration may give it the memory of another one; use an "
                "operation that returns a new tensor",
                CUT,
            )
