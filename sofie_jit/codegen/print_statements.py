"""The C++ of expressions and statements of a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.codegen.arena import THREADS
from sofie_jit.codegen.expressions import (
    CPP_TYPES,
    Argument,
    Block,
    Branch,
    Call,
    Choice,
    Constant,
    Expression,
    Formatted,
    FunctionPointer,
    NullPointer,
    PackedPointer,
    Repeat,
    ScratchPointer,
    Size,
    SizeTarget,
    Statement,
    Step,
    Struct,
    Table,
    TensorPointer,
    WeightPointer,
)
from sofie_jit.codegen.plan import Plan
from sofie_jit.ir.dims import Dim, SymbolicDim
from sofie_jit.ir.requirements import Requirement

BUFFERS = {name: f"f{name.capitalize()}s" for name in CPP_TYPES} | {
    "float32": "fFloats",
    "float64": "fDoubles",
    "int32": "fInts",
    "int64": "fLongs",
}
"""Arrays of packed weights by element type: members of their own would each cost code to construct and destroy."""


class StatementPrinter:
    """Prints expressions and statements of ``plan``.

    ``name_of`` gives the C++ name of a tensor, ``dim_names`` those of the run-time dimensions. Derived classes say how
    calls and functions look.
    """

    def __init__(self, plan: Plan, name_of: Callable[[str], str], dim_names: Mapping[str, str]):
        self.plan = plan
        self.name_of = name_of
        self.dim_names = dict(dim_names)
        self.found_names = {name: f"found{index}" for index, name in enumerate(plan.found)}
        """Variables for the run-time dimensions that operators set."""
        self._locals: dict[str, str] = {}
        """Variables of the function that is being printed, by the expressions that they hold."""
        self._definitions: list[str] = []
        rmodel = plan.rmodel
        for name in (*rmodel.inputs, *rmodel.outputs):
            self.name(name)
        for pointer, _ in plan.pointers:
            if isinstance(pointer, TensorPointer):
                self.name_of(pointer.name)

    def name(self, tensor: str) -> str:
        """The C++ name of the memory of a tensor."""
        return self.name_of(self.plan.roots[tensor])

    # -- expressions ---------------------------------------------------------------------------------------------

    def text(self, value: Argument | Sequence[Any]) -> str:
        """An expression, a number, or the members of an array as C++."""
        if isinstance(value, (bool, np.bool_)):
            return "true" if value else "false"
        if isinstance(value, (int, np.integer)):
            return str(int(value))
        if isinstance(value, tuple):
            return f"{{{', '.join(map(self.text, value))}}}"
        if isinstance(value, Constant):
            return value.text
        if isinstance(value, Formatted):
            return value.template.format(*map(self.text, value.parts))
        if isinstance(value, FunctionPointer):
            return self.function(value)
        assert isinstance(value, Expression), value
        return self.expression(value)

    def expression(self, value: Expression) -> str:
        """A typed expression as C++."""
        if isinstance(value, Size):
            return self.size(value)
        if isinstance(value, SizeTarget):
            return f"&{self.found_names[value.name]}"
        if isinstance(value, TensorPointer):
            return self.name_of(value.name)
        if isinstance(value, ScratchPointer):
            return f"scratch{value.index}"
        if isinstance(value, PackedPointer):
            return f"{BUFFERS[value.dtype]}[{value.index}].data()"
        if isinstance(value, NullPointer):
            return f"static_cast<{value.cpp_type}>(nullptr)"
        if isinstance(value, WeightPointer):
            return f"static_cast<{value.cpp_type}>(weights[{self.plan.weights.index(value.name)}])"
        if isinstance(value, Table):
            return self.table(value)
        assert isinstance(value, Struct), value
        return f"k::{value.name}{self.text(value.members)}"

    def size(self, size: Size) -> str:
        """An expression over the run-time dimensions."""
        return self.dim_text(size.value)

    def dim_text(self, dim: Dim, *, as_factor: bool = False) -> str:
        """A size within a function of the Session.

        The function computes quotients, minima and maxima once, at its beginning (see :meth:`_with_sizes`).
        ``as_factor``: in parentheses if it needs them where it is multiplied.
        """
        if not isinstance(dim, SymbolicDim):
            return str(dim)
        for name in dim.names:
            if name in self.plan.sizes and name not in self._locals:
                self._define(name, self.plan.sizes[name])
        for part in dim.computed_parts:
            if str(part) not in self._locals and self.plan.found.keys().isdisjoint(part.names):
                self._define(str(part), part)
        return dim.cpp(self._names, as_factor=as_factor)

    def _define(self, key: str, dim: SymbolicDim) -> None:
        """Makes a variable for a size, which is known as ``key``."""
        text = self.dim_text(dim) if key in self.plan.sizes else dim.cpp(self._names)
        if text in self._locals.values():
            self._locals[key] = text
            return
        self._locals[key] = name = f"size{len(self._definitions)}"
        self._definitions.append(f"const std::size_t {name} = {text};")

    @property
    def _names(self) -> dict[str, str]:
        return {**self.dim_names, **self.found_names, str(THREADS): "k::team_size(team)", **self._locals}

    def _with_sizes(self, body: Callable[[], Iterable[str]]) -> list[str]:
        """The lines of a function with this body, after those that compute the sizes that it uses."""
        self._locals, self._definitions = {}, []
        lines = list(body())
        return [*self._definitions, *lines]

    def function(self, function: FunctionPointer) -> str:
        """A pointer to a function."""
        names = parameter_names(function.parameters)
        returns = "" if function.result == "void" else "return "
        called = ", ".join([*names, *map(self.text, function.arguments)])
        return f"+[]({declared(function.parameters)}) {{ {returns}k::{function.function}({called}); }}"

    def table(self, table: Table) -> str:
        """A struct of constants."""
        return f"k::{table.name}{self.text(table.members)}"

    # -- statements ----------------------------------------------------------------------------------------------

    def call(self, call: Call, status: int) -> str:
        """The statement of a call, which returns ``status`` if it fails."""
        text = self.invocation(call.function, call.arguments, "bool" if call.failure else "void")
        return f"if (!{text})\n   return {status};" if call.failure else f"{text};"

    def _statements(self, statements: Iterable[Statement], status: Iterator[int]) -> Iterator[str]:
        """The lines of statements; calls that can fail return the next ``status``."""
        for statement in statements:
            match statement:
                case Call():
                    yield from self.call(statement, next(status) if statement.failure else 0).splitlines()
                case Choice(conditions, then, otherwise):
                    condition = " && ".join(map(self._condition, conditions))
                    yield from _if(condition, self._statements(then, status), self._statements(otherwise, status))
                case Repeat(test, block):
                    yield f"while ({self._test(test)}) {{"
                    yield from _indented(self._block(block, status))
                    yield "}"
                case Branch(test, first, second):
                    yield from _if(self._test(test), self._block(first, status), self._block(second, status))

    def _test(self, call: Call) -> str:
        """A call that returns a bool."""
        return self.invocation(call.function, call.arguments, "bool")

    def _block(self, block: Block, status: Iterator[int]) -> Iterator[str]:
        """The lines of a body."""
        for step in block.steps:
            yield from self.introduction(step)
            yield from self._statements(step.statements, status)
        yield from self._statements(block.after, status)

    def invocation(self, function: str, arguments: tuple[Argument, ...], result: str) -> str:
        """The expression ``k::function(arguments...)`` of type ``result``."""
        return f"k::{function}({', '.join(map(self.text, arguments))})"

    def packing(self, cpp: str, target: str, function: str, arguments: tuple[Argument, ...]) -> str:
        """The statement that fills the buffer ``target``."""
        return f"{target} = {self.invocation(f'{function}<{cpp}>', arguments, 'void')};"

    def introduction(self, step: Step) -> list[str]:
        """Lines before the calls of an operator."""
        return []

    def conclusion(self, step: Step) -> list[str]:
        """Lines after the calls of an operator."""
        return []

    def _condition(self, need: Requirement) -> str:
        """A requirement as a condition."""
        if need.relation == "==":
            return f"{self.dim_text(need.left)} == {self.dim_text(need.right)}"
        return f"static_cast<std::ptrdiff_t>({self.dim_text(need.right - need.left)}) >= 0"


def _if(condition: str, then: Iterable[str], otherwise: Iterable[str]) -> Iterator[str]:
    """The lines of a branch."""
    yield f"if ({condition}) {{"
    yield from _indented(then)
    yield "} else {"
    yield from _indented(otherwise)
    yield "}"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"   {line}" for line in lines)


def parameter_names(types: Sequence[str]) -> list[str]:
    """Names of parameters: a0, a1, ..."""
    return [f"a{i}" for i in range(len(types))]


def declared(types: Sequence[str]) -> str:
    """A function's parameters of these types."""
    parameters = [f"{cpp} {name}" for cpp, name in zip(types, parameter_names(types), strict=True)]
    return ", ".join(parameters).replace("* ", "*").replace("& ", "&")
