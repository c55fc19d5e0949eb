"""Branches and loops of TorchScript whose conditions the model computes: the operators If and Loop.

The code is evaluated as it is elsewhere, but its operators become a body. Its local names have the values of both
branches, or those of the tensors that a loop carries. The tensors that it changes in place are treated as names are.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.base import NodeCall
from sofie_jit.frontends.control_flow import Iteration, repeated
from sofie_jit.frontends.pytorch.carried import Form, common_form, rebuilt, taken_apart, tensors_in
from sofie_jit.frontends.pytorch.conditions import check_decided, flag, merged
from sofie_jit.frontends.pytorch.script.memory import Memory, copied
from sofie_jit.frontends.pytorch.values import NUMBERS, Tensor
from sofie_jit.ir.bodies import body
from sofie_jit.ir.builder import Symbol

ALIAS = (
    "it changes a tensor in place that may be another one as well, which depends on a branch or loop that the model "
    "decides; use an operation that returns a new tensor"
)
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
    names = [name for name in values[0] if name in values[1] and objects[0][name] is not objects[1][name]]
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
            memory.separate(inner[name], result, [inner[other] for other in names if other != name], ALIAS)


def _is_same_number(a: Any, b: Any) -> bool:
    return type(a) is type(b) and isinstance(a, NUMBERS) and a == b


class _MoreCarriedError(UnsupportedLayerError):
    """An iteration changes further names and tensors, which the loop has to carry."""

    def __init__(self, names: Mapping[str, Any], tensors: Sequence[Tensor]):
        super().__init__([])
        self.names = names
        self.tensors = tensors


def loop(
    call: NodeCall, iterate: Callable[[Symbol, Scope], Any], scope: Scope, live: Iterable[str],
    undone: Callable[[type[Exception]], Any], *, trips: Symbol | None = None, condition: Symbol | None = None,
) -> None:  # fmt: skip
    """Gives the names ``live`` of a scope their values after a loop.

    ``iterate`` executes an iteration, given its number, and returns the condition of the next one.
    ``undone`` is a context that forgets all that is found in it if an exception leaves it.
    """
    carried: dict[str, Any] = {}
    tensors: list[Tensor] = []
    while True:
        try:
            with undone(_MoreCarriedError):
                _loop(call, iterate, scope, live, carried, tensors, trips, condition)
            return
        except _MoreCarriedError as more:
            carried |= more.names
            tensors += more.tensors


def _loop(
    call: NodeCall, iterate: Callable[[Symbol, Scope], Any], scope: Scope, live: Iterable[str],
    carried: Mapping[str, Any], tensors: Sequence[Tensor], trips: Symbol | None, condition: Symbol | None,
) -> None:  # fmt: skip
    """As :func:`loop`, with known names, each with an example of a value after an iteration, and tensors to carry."""
    memory = Memory(scope.values())
    before = [*(scope[name] for name in carried), *(Tensor(tensor.value) for tensor in tensors)]
    forms = [common_form(*pair) for pair in zip(before, [*carried.values(), *before[len(carried) :]], strict=True)]

    def iteration(number: Symbol, states: Sequence[Symbol]) -> Iteration:
        values = rebuilt(forms, states)
        inner = {**scope, **dict(zip(carried, values, strict=False))}
        for value in values[: len(carried)]:
            for tensor in tensors_in(value):
                tensor.fixed = ALIAS
        with memory.kept(call):
            for tensor, value in zip(tensors, values[len(carried) :], strict=True):
                tensor.change(value.value)
            condition = iterate(number, inner)
            more = {
                name: copied(inner[name])
                for name in live
                if name in scope and name not in carried and inner[name] is not scope[name]
                and not _is_same_number(inner[name], scope[name])
            }  # fmt: skip
            changed = [tensor for tensor in memory.changed_tensors() if tensor not in tensors]
            if more or changed:
                raise _MoreCarriedError(more, changed)
            check_decided(call, condition)
            goes_on = None if condition is True else flag(call, condition)
            after = [*(copied(inner[name]) for name in carried), *(Tensor(tensor.value) for tensor in tensors)]
            return Iteration(goes_on, taken_apart(call, forms, after))

    states, _ = repeated(call, iteration, taken_apart(call, forms, before), trips=trips, condition=condition)
    results = rebuilt(forms, states)
    for tensor, result in zip(tensors, results[len(carried) :], strict=True):
        tensor.change(result.value)
    for name, result in zip(carried, results, strict=False):
        for tensor in (*tensors_in(scope[name]), *tensors_in(result)):
            tensor.root.fixed = ALIAS
        scope[name] = result
