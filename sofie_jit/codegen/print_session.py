"""The C++ ``struct Session`` of a plan: packed weights, and ``run``; what the JIT's text and saved headers share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from sofie_jit.codegen.arena import THREADS, Slot
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
from sofie_jit.codegen.kernel_library import renamed
from sofie_jit.codegen.plan import Plan
from sofie_jit.codegen.tuning import ALIGNMENT, LARGE_WEIGHTS_BYTES, LARGE_WEIGHTS_TILE_BYTES
from sofie_jit.ir.dims import BATCH, Dim, Shape, SymbolicDim, bind_shape, counts_rows, product, split_count
from sofie_jit.ir.requirements import Requirement

BUFFERS = {name: f"f{name.capitalize()}s" for name in CPP_TYPES} | {
    "float32": "fFloats",
    "float64": "fDoubles",
    "int32": "fInts",
    "int64": "fLongs",
}
"""Arrays of packed weights by element type: members of their own would each cost code to construct and destroy."""


class SessionPrinter:
    """Prints the Session of ``plan``.

    ``name_of`` gives the C++ name of a tensor, ``dim_names`` those of the run-time dimensions. Derived classes say how
    calls and functions look.
    """

    profile = False
    """Whether the clock is read after each operator."""

    def __init__(self, plan: Plan, name_of: Callable[[str], str], dim_names: Mapping[str, str]):
        self.plan = plan
        self.name_of = name_of
        self.dim_names = dict(dim_names)
        self.found_names = {name: f"found{index}" for index, name in enumerate(plan.found)}
        """Variables for the run-time dimensions that operators set."""
        self._locals: dict[str, str] = {}
        """Variables of the function that is being printed, by the expressions that they hold."""
        self._definitions: list[str] = []
        self._call_lines = 0
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
                    yield f"if ({' && '.join(map(self._condition, conditions))}) {{"
                    yield from _indented(self._statements(then, status))
                    yield "} else {"
                    yield from _indented(self._statements(otherwise, status))
                    yield "}"
                case Repeat(condition, block):
                    yield f"while ({self.invocation(condition.function, condition.arguments, 'bool')}) {{"
                    yield from _indented(self._block(block, status))
                    yield "}"
                case Branch(condition, first, second):
                    yield f"if ({self.invocation(condition.function, condition.arguments, 'bool')}) {{"
                    yield from _indented(self._block(first, status))
                    yield "} else {"
                    yield from _indented(self._block(second, status))
                    yield "}"

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

    def _calls(self) -> Iterator[str]:
        status = 1
        for step in self.plan.steps:
            yield from self.introduction(step)
            yield from self._statements(step.statements, count(status))
            status += sum(bool(call.failure) for call in step.calls)
            yield from self.conclusion(step)

    # -- the Session ---------------------------------------------------------------------------------------------

    team_parameters: tuple[str, ...] = ()
    """Parameters of ``run`` after the tensors."""
    once = ""
    """The attribute of functions that run once."""

    def tile_attribute(self, lines: int) -> str:
        """The attribute of ``run_tile``, whose calls take ``lines`` lines."""
        return "SOFIE_JIT_NOINLINE"

    @property
    def dim_parameters(self) -> list[str]:
        """The run-time dimensions as parameters."""
        return [f"std::size_t {self.dim_names[d]}" for d in self.plan.dims]

    @property
    def tensor_parameters(self) -> list[str]:
        """Inputs and outputs as parameters."""
        rmodel = self.plan.rmodel
        tensors = [("const ", name) for name in rmodel.inputs] + [("", name) for name in rmodel.outputs]
        parameters = [
            f"{const}{CPP_TYPES[rmodel.tensor_type(name).dtype]} *{self.name(name)}" for const, name in tensors
        ]
        return [*parameters, *(["std::size_t *found"] if self.plan.reported else [])]

    def session(self) -> str:
        """Members, constructor and ``run`` of ``struct Session``, without the closing brace."""
        plan = self.plan
        buffers = Counter(weight.dtype for weight in plan.packed)
        packing = [
            self.packing(CPP_TYPES[w.dtype], f"{BUFFERS[w.dtype]}[{w.index}]", w.function, w.arguments)
            for w in plan.packed
        ]
        tile = self._with_sizes(self._run_tile)
        parameters = [*self.dim_parameters, *self.tensor_parameters]
        lines = [
            "struct Session {",
            *(f"   k::Buffer<{CPP_TYPES[dtype]}> {BUFFERS[dtype]}[{size}];" for dtype, size in buffers.items()),
            "   mutable k::ArenaPool fArenas;",
            *(f"   {member}" for member in self.members()),
            "",
            *([f"   {self.once}"] if self.once else []),
            f"   explicit Session(const void *const *{'weights' if plan.packed else ''})",
            "   {",
            *(f"      {statement}" for statement in packing),
            "   }",
            "",
            *self._size_checks(),
            f"   int run({', '.join([*parameters, *self.team_parameters])}) const",
            "   {",
            *(f"      {line}" for line in self._run()),
            "   }",
            "",
            f"   {self.tile_attribute(self._call_lines)}",
            f"   int run_tile({', '.join([*parameters, 'char *arena', *self.team_parameters])}) const",
            "   {",
            *(f"      {line}" for line in tile),
            "   }",
        ]
        return renamed("\n".join(lines))

    def _run_tile(self) -> list[str]:
        """The body of ``run_tile``: the addresses of tensors, and the calls."""
        calls = list(self._calls())
        self._call_lines = len(calls)
        reports = [f"found[{index}] = {self.found_names[name]};" for index, name in enumerate(self.plan.reported)]
        return [*self._declarations(), *self.clock(), *calls, *reports, "return 0;"]

    def members(self) -> list[str]:
        """Further members."""
        return []

    def clock(self) -> list[str]:
        """Lines before the first call."""
        return []

    def _declarations(self) -> list[str]:
        """Addresses of tensors and scratch memory in the arena; mentions of parameters that may be unused."""
        plan = self.plan
        offsets, lines = self._offsets()
        lines += [f"std::size_t {name} = 0;" for name in self.found_names.values()]
        for pointer, slot in plan.pointers:
            cpp = CPP_TYPES[pointer.dtype]
            address = f"reinterpret_cast<{cpp} *>(arena + {offsets[slot]})"
            lines.append(f"{cpp} *const {self.expression(pointer)} = {address};")
        if not plan.pointers:
            lines.append("static_cast<void>(arena);")
        lines += ["static_cast<void>(team);"] if self.team_parameters else []
        used = {name for step in plan.steps for name in step.op.inputs}
        lines += [f"static_cast<void>({self.name(name)});" for name in plan.rmodel.inputs if name not in used]
        return [*lines, *self._mentions()]

    def _size_checks(self) -> list[str]:
        """The function ``wrong_size``, if something is required of sizes."""
        if not self.plan.requirements:
            return []
        body = self._with_sizes(lambda: [
            f"if (!({self._condition(check.requirement)}))\n         return {status};"
            for status, check in self.plan.size_checks.items()
        ])  # fmt: skip
        return [
            "   // The status of the first requirement that these sizes do not satisfy; 0 if they satisfy all.",
            f"   static int wrong_size({', '.join(self.dim_parameters)})",
            "   {",
            *(f"      {line}" for line in [*self._mentions(), *body, "return 0;"]),
            "   }",
            "",
        ]

    def _condition(self, need: Requirement) -> str:
        """A requirement as a condition."""
        if need.relation == "==":
            return f"{self.dim_text(need.left)} == {self.dim_text(need.right)}"
        return f"static_cast<std::ptrdiff_t>({self.dim_text(need.right - need.left)}) >= 0"

    def _mentions(self) -> list[str]:
        """Mentions of run-time dimensions, which may be unused."""
        return [f"static_cast<void>({self.dim_names[d]});" for d in self.plan.dims]

    def _run(self) -> list[str]:
        """The body of ``run``: checks, memory, and the calls of ``run_tile``."""
        sizes = ", ".join(self.dim_names[d] for d in self.plan.dims)
        check = [f"if (const int status = wrong_size({sizes}))", "   return status;"] if self.plan.requirements else []
        return [*check, *self._with_sizes(self._run_checked)]

    def _run_checked(self) -> list[str]:
        plan, rmodel = self.plan, self.plan.rmodel
        tensors = (*rmodel.inputs, *rmodel.outputs)
        last = [*(["found"] if plan.reported else []), "arena.data()", *(["team"] if self.team_parameters else [])]
        if not plan.tiled:
            given = [*(self.dim_names[d] for d in plan.dims), *map(self.name, tensors), *last]
            return [f"k::Lease arena(fArenas, {self._total()});", f"return run_tile({', '.join(given)});"]
        tiles = ["rows" if d == BATCH else self.dim_names[d] for d in plan.dims]
        moved = []
        for name in tensors:
            number, factors = split_count(rmodel.tensor_type(name).shape[1:])
            elements = [*(self.dim_text(factor, as_factor=True) for factor in factors), str(number)]
            moved.append(f"{self.name(name)} + first * {' * '.join(elements)}")
        return [
            f"const std::size_t tile = k::batch_tile({self._bytes(self._bytes_per_row())}{self._tile_limit()});",
            "const std::size_t whole = batch;",
            "if (batch > tile)",
            "   batch = tile; // the arena holds one tile",
            f"k::Lease arena(fArenas, {self._total()});",
            "for (std::size_t first = 0; first < whole; first += tile) {",
            "   const std::size_t rows = whole - first < tile ? whole - first : tile;",
            f"   if (const int status = run_tile({', '.join([*tiles, *moved, *last])}))",
            "      return status;",
            "}",
            "return 0;",
        ]

    def _tile_limit(self) -> str:
        """The second argument of ``batch_tile``, if it is not the default."""
        large = sum(self.plan.rmodel.initialized[name].nbytes for name in self.plan.weights) > LARGE_WEIGHTS_BYTES
        return f", {LARGE_WEIGHTS_TILE_BYTES}" if large else ""

    @property
    def _in_rows(self) -> bool:
        """Whether the arena depends on the batch and the number of threads alone."""
        return all({BATCH, THREADS}.issuperset(slot.dims) for slot in self.plan.slots)

    def _total(self) -> str:
        """The bytes of the arena."""
        if self._in_rows:
            return self._bytes(self._sums(self.plan.slots))
        return " + ".join(map(self._slot_bytes, self.plan.slots))

    def _offsets(self) -> tuple[list[str], list[str]]:
        """Where each slot starts, as C++ expressions (bytes); lines that define the variables in them."""
        slots = self.plan.slots
        if self._in_rows:
            return [self._bytes(self._sums(slots[:index])) for index in range(len(slots))], []
        offsets = [f"offset{index}" for index in range(len(slots))]
        starts = ["0", *(f"{offset} + {self._slot_bytes(slot)}" for offset, slot in zip(offsets, slots, strict=True))]
        lines = [f"const std::size_t {offset} = {start};" for offset, start in zip(offsets, starts, strict=False)]
        return offsets, lines

    def _sums(self, slots: Iterable[Slot]) -> dict[Dim, int]:
        """Numbers of bytes by the size that is known only at run time that they are multiplied with."""
        totals: dict[Dim, int] = {}
        for slot in slots:
            count = product(*slot.dims)
            totals[count] = totals.get(count, 0) + slot.size
        return totals

    def _bytes(self, totals: Mapping[Dim, int]) -> str:
        """A sum of numbers of bytes, each times a size that is known only at run time."""
        return " + ".join(self.dim_text(product(count, size)) for count, size in totals.items()) or "0"

    def _slot_bytes(self, slot: Slot) -> str:
        """The bytes of a slot, rounded up so that the next one is aligned."""
        size = self.dim_text(product(slot.size, *slot.dims))
        return size if slot.size % ALIGNMENT == 0 else f"k::align_up({size})"

    def _bytes_per_row(self) -> dict[Dim, int]:
        """The part of the arena that one row of the batch needs."""
        totals: dict[Dim, int] = {}
        for slot in self.plan.slots:
            if any(map(counts_rows, slot.dims)):
                count = product(*bind_shape(slot.dims, {str(BATCH): 1}))
                totals[count] = totals.get(count, 0) + slot.size
        return totals


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"   {line}" for line in lines)


def count_text(shape: Shape, names: Mapping[str, str]) -> str:
    """The number of elements of ``shape`` as a C++ product."""
    number, factors = split_count(shape)
    return " * ".join([*(factor.cpp(names, as_factor=True) for factor in factors), str(number)])


def parameter_names(types: Sequence[str]) -> list[str]:
    """Names of parameters: a0, a1, ..."""
    return [f"a{i}" for i in range(len(types))]


def declared(types: Sequence[str]) -> str:
    """A function's parameters of these types."""
    parameters = [f"{cpp} {name}" for cpp, name in zip(types, parameter_names(types), strict=True)]
    return ", ".join(parameters).replace("* ", "*").replace("& ", "&")
