"""Executes statements of TorchScript."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sofie_jit.errors import ModelFileError, UnsupportedLayerError
from sofie_jit.frontends.base import Node, NodeCall, Problems
from sofie_jit.frontends.pytorch.carried import check_decided, computed_number, is_computed, symbol_of
from sofie_jit.frontends.pytorch.conditions import flag
from sofie_jit.frontends.pytorch.evaluator import Evaluator
from sofie_jit.frontends.pytorch.script import control
from sofie_jit.frontends.pytorch.script.objects import ComputedRange, ScriptObject
from sofie_jit.frontends.pytorch.values import Refused, Tensor, Undecided, known_number
from sofie_jit.frontends.wording import CUT
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import SymbolicDim

MAX_STEPS = 2_000_000
"""Maximum number of expressions that are evaluated."""


class Returned(Exception):  # noqa: N818
    """The end of a function."""

    def __init__(self, value: Any):
        self.value = value


class Statements:
    """The statements of the interpreter, which evaluates their expressions."""

    def __init__(self, evaluator: Evaluator):
        self.evaluator = evaluator
        self.problems = Problems()
        self.nodes: list[Node] = []
        """The calls of operators so far."""
        self.results: dict[str, Any] = {}
        """Path of a module -> the result of its last call."""
        self.steps = 0
        self.path = ""
        """That of the module whose code is evaluated."""
        self.function: ast.AST = ast.Pass()
        """The function that is evaluated."""
        self._names: dict[str, int] = {}

    def evaluate(self, node: ast.expr, scope: dict[str, Any]) -> Any:
        """The value of an expression."""
        raise NotImplementedError

    def operator(self, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """The result of an operator of ATen."""
        raise NotImplementedError

    def execute(self, body: Sequence[ast.stmt], scope: dict[str, Any]) -> None:
        """Executes statements; raises Returned at the end of a function."""
        for statement in body:
            self.step()
            if isinstance(statement, ast.Assign):
                value = self.evaluate(statement.value, scope)
                for target in statement.targets:
                    self.assign(target, value, scope)
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                self.assign(statement.target, self.evaluate(statement.value, scope), scope)
            elif isinstance(statement, ast.Expr):
                self.evaluate(statement.value, scope)
            elif isinstance(statement, ast.Return):
                raise Returned(None if statement.value is None else self.evaluate(statement.value, scope))
            elif isinstance(statement, ast.If):
                self.branch(statement, scope)
            elif isinstance(statement, ast.For):
                self.for_loop(statement, scope)
            elif isinstance(statement, ast.While):
                self.while_loop(statement, scope)
            elif not isinstance(statement, ast.Pass):
                raise UnsupportedLayerError(
                    f"{self.path or 'forward'}: a statement of the kind {type(statement).__name__} is not supported"
                )

    def step(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise ModelFileError(f"the code takes more than {MAX_STEPS:,} steps")

    def assign(self, target: ast.expr, value: Any, scope: dict[str, Any]) -> None:
        if isinstance(target, ast.Name):
            scope[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            values = [value] * len(target.elts) if isinstance(value, Undecided) else value
            if not isinstance(values, (tuple, list)) or len(values) != len(target.elts):
                raise ModelFileError(
                    f"{self.path or 'forward'}: {len(target.elts)} names are assigned another number of values"
                )
            for part, item in zip(target.elts, values, strict=True):
                self.assign(part, item, scope)
        elif isinstance(target, ast.Attribute):
            owner = self.evaluate(target.value, scope)
            if not isinstance(owner, ScriptObject) or owner.is_module:
                if isinstance(owner, ScriptObject) and owner.attributes.get(target.attr) is value:
                    return
                raise UnsupportedLayerError(
                    f"{self.path or 'forward'}: it changes the attribute '{target.attr}', which later calls would use; "
                    "such state is not supported"
                )
            owner.attributes[target.attr] = value
        elif isinstance(target, ast.Subscript):
            self.evaluate(target.value, scope)[self.evaluate(target.slice, scope)] = value
        else:
            raise ModelFileError(f"{self.path or 'forward'}: an assignment to {type(target).__name__}")

    def branch(self, statement: ast.If, scope: dict[str, Any]) -> None:
        """Executes one of two branches, or both if the model decides between them.

        A branch that raises an exception is never executed if the condition is not known.
        """
        condition = self.evaluate(statement.test, scope)
        if is_computed(condition) or (isinstance(condition, Undecided) and not isinstance(condition, Refused)):
            for raising, other in ((statement.body, statement.orelse), (statement.orelse, statement.body)):
                if _raises(raising):
                    return self.execute(other, scope)
        if is_computed(condition):
            live = control.live_names(self.function, statement)
            return control.branches(self.node_call("if"), self.inside, statement, condition, scope, live)
        self.execute(statement.body if self.decided(condition, "if") else statement.orelse, scope)

    def while_loop(self, statement: ast.While, scope: dict[str, Any]) -> None:
        """Executes iterations while their condition is known, and then those that the model decides."""

        def iterate(number: Symbol, inner: dict[str, Any]) -> Any:
            self.inside(statement.body, inner)
            return self.evaluate(statement.test, inner)

        while not is_computed(condition := self.evaluate(statement.test, scope)):
            if not self.decided(condition, "while"):
                return
            self.execute(statement.body, scope)
        call, live = self.node_call("while"), control.live_names(self.function, statement)
        control.ComputedLoop(self, call, iterate, scope, live).run(condition=flag(call, condition))

    def for_loop(self, statement: ast.For, scope: dict[str, Any]) -> None:
        """Executes a loop over the elements of a list, or over a range whose length the model computes."""
        items = self.evaluate(statement.iter, scope)
        if isinstance(items, ComputedRange):
            return self.computed_loop(items, statement, scope)
        if isinstance(items, Undecided):
            self.decided(items, "for")
        for item in list(items):
            self.assign(statement.target, item, scope)
            self.execute(statement.body, scope)

    def computed_loop(self, numbers: ComputedRange, statement: ast.For, scope: dict[str, Any]) -> None:
        """Executes a loop over a range whose length the model computes.

        Raises SizesNeededError if it can be translated for given sizes only.
        """

        def iterate(number: Symbol, inner: dict[str, Any]) -> Any:
            steps = self.operator("mul", [computed_number(number), numbers.step], {})
            self.assign(statement.target, self.operator("add", [steps, numbers.start], {}), inner)
            self.inside(statement.body, inner)
            return True

        call, live, length = self.node_call("for"), control.live_names(self.function, statement), numbers.length
        loop = control.ComputedLoop(self, call, iterate, scope, live)
        if isinstance(length, SymbolicDim):
            try:
                with self.undone(UnsupportedLayerError):
                    return loop.run(trips=symbol_of(call, known_number(length)))
            except UnsupportedLayerError:
                call.need_sizes("its number of iterations", length.names)
        loop.run(trips=symbol_of(call, length.value if isinstance(length, Tensor) else known_number(length)))

    def inside(self, body: Sequence[ast.stmt], scope: dict[str, Any]) -> None:
        """Executes statements of a branch or loop that the model decides; results of modules in it are no outputs."""
        before = self.results.copy()
        try:
            self.execute(body, scope)
        except Returned:
            raise UnsupportedLayerError(
                f"{self.path or 'forward'}: a return in a branch or loop that the model decides is not supported"
            ) from None
        inner = Undecided("the result of a module in a branch or loop that the model decides")
        self.results = {path: found if before.get(path) is found else inner for path, found in self.results.items()}

    @contextmanager
    def undone(self, error: type[Exception]) -> Iterator[None]:
        """Forgets all that is added to the model in the context if an ``error`` leaves it."""
        nodes, names, results = len(self.nodes), self._names.copy(), self.results.copy()
        try:
            with self.problems.undone_on(error), self.evaluator.builder.undone_on(error):
                yield
        except error:
            del self.nodes[nodes:]
            self._names, self.results = names, results
            raise

    def node_call(self, statement: str) -> NodeCall:
        """A statement as the node that messages name."""
        path = self.path or "forward"
        return NodeCall(f"{path}/{statement}", f"{path} ({statement})", self.evaluator.builder)

    def decided(self, condition: Any, statement: str) -> bool:
        """The value of a condition. Raises UnsupportedLayerError if it is known only when the model runs."""
        check_decided(self.node_call(statement), condition)
        if isinstance(condition, Tensor):
            self.node_call(statement).refuse("its condition is a tensor; expected a number", CUT)
        return bool(condition)


def _raises(body: Sequence[ast.stmt]) -> bool:
    """Whether statements end in an exception."""
    last = body[-1] if body else None
    return (
        isinstance(last, ast.Expr)
        and isinstance(last.value, ast.Call)
        and ast.unparse(last.value.func) == "ops.prim.RaiseException"
    )
