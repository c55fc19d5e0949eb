"""One walk over a lowered RModel that plans its memory and writes the C++ ``struct Session``."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sofie_jit.codegen.identifiers import comment, identifier
from sofie_jit.codegen.kernel_library import closure, renamed
from sofie_jit.codegen.memory import (
    ALIGNMENT,
    Arena,
    Slot,
    can_tile,
    last_uses,
    memory_taken_over,
    storage,
)
from sofie_jit.ir.operators.operator import (
    BATCH,
    CPP_TYPES,
    Dim,
    ROperator,
    Shape,
    TensorType,
    format_shape,
    split_count,
)
from sofie_jit.ir.rmodel import RModel


@dataclass(frozen=True)
class Late:
    """A function that the JIT compiles when it is first needed: by a batch of several ``rows``, or by a ``team``."""

    when: str
    name: str
    definition: str


@dataclass
class Rendering:
    """A Session's text in parts, and what it needs from outside."""

    kernels: list[str]
    """Kernel headers, in an order in which they compile."""
    parallel_kernels: list[str]
    """The same with those that only teams of threads need."""
    dims: dict[str, str]
    """Run-time dimensions, in the order of the entry point's arguments (the model's words)."""
    weights: list[str]
    """Initialized tensors in the order in which the Session's constructor takes their addresses."""
    failures: dict[int, str]
    """Status that ``run`` may return -> what went wrong; 0 is success."""
    session: str
    """Members and constructor of ``struct Session`` up to, but without, the closing brace."""
    dim_arguments: str
    tensor_arguments: str
    names: dict[str, str]
    """Tensor -> its C++ name."""
    outlined: dict[str, str]
    """Functions that the JIT text enters kernels through: name -> definition."""
    late: dict[str, Late]
    """Functions that can wait, by the pointer to set."""
    tiled: bool
    """Whether rows of the batch are independent of each other."""
    slots: list[Slot]
    """The scratch memory of a call."""
    op_timings: list[int]
    """Places of the operators whose seconds a profiling Session adds up, after those of reading the clock."""


class Expression(str):
    """A C++ expression that knows its type; one that changes from call to call, unlike a plain string."""

    cpp_type: str

    def __new__(cls, text: str, cpp_type: str) -> Expression:
        self = super().__new__(cls, text)
        self.cpp_type = cpp_type
        return self


class SessionWriter:
    """Walks the operators once, planning memory as it goes; each operator emits its call through this Emitter.

    ``comments``: say of each call what it is; ``outline``: enter kernels through functions that models share;
    ``profile``: read the clock after each call; ``vector_bytes``: of a register, if it is for one machine.
    """

    def __init__(
        self,
        rmodel: RModel,
        name_of: Callable[[str], str],
        *,
        comments: bool,
        outline: bool,
        profile: bool = False,
        vector_bytes: int | None = None,
    ):
        self.rmodel = rmodel
        self.name_of = name_of
        self.comments = comments
        self.outline = outline
        self.profile = profile
        self.vector_bytes = vector_bytes
        self.op_timings: list[int] = []
        self.flops = 0  # of a row of the batch
        self.outlined: dict[str, str] = {}  # name -> definition
        self.late: dict[str, Late] = {}
        self.roots = storage(rmodel)
        self.arena = Arena()
        self.slot_of: dict[str, int] = {}
        self.pointers: list[tuple[str, str, int]] = []  # C++ type, name, slot
        self.members: dict[str, tuple[str, str, str]] = {}  # how packed -> element type, member, statement
        self.weights: list[str] = []
        self.failures: dict[int, str] = {}
        self.calls: list[str] = []
        types = [*rmodel.inputs.values(), *rmodel.intermediate.values()]
        self.dims = list(dict.fromkeys(name for t in types for d in t.shape for name in split_count((d,))[1]))
        taken: set[str] = set()
        self.dim_names = {
            d: "batch" if d == BATCH else identifier(d, "size_", taken) if comments else f"dim{i}"
            for i, d in enumerate(self.dims)
        }
        self._walk()

    # the Emitter that operators see

    inputs: list[TensorType | None]
    outputs: list[TensorType]

    def input(self, index: int) -> Expression:
        if index >= len(self.op.inputs) or not self.op.inputs[index]:
            return self._null()
        name = self.roots[self.op.inputs[index]]
        if name in self.rmodel.initialized:
            values = self.rmodel.initialized[name]
            return self.packed("copy_weights", self._raw(name), values.size, dtype=values.dtype.name)
        return Expression(self.name_of(name), f"const {CPP_TYPES[self.rmodel.tensor_type(name).dtype]} *")

    def output(self, index: int) -> Expression:
        cpp = CPP_TYPES[self.outputs[index].dtype]
        if index >= len(self.op.outputs) or not self.op.outputs[index]:
            return Expression(f"static_cast<{cpp} *>(nullptr)", f"{cpp} *")
        return Expression(self.name_of(self.roots[self.op.outputs[index]]), f"{cpp} *")

    def is_constant(self, index: int) -> bool:
        return index < len(self.op.inputs) and self.op.inputs[index] in self.rmodel.initialized

    def raw(self, index: int) -> Expression:
        if index >= len(self.op.inputs) or not self.op.inputs[index]:
            return self._null()
        return self._raw(self.op.inputs[index])

    def _null(self) -> Expression:
        pointer = f"const {CPP_TYPES[self._dtype()]} *"
        return Expression(f"static_cast<{pointer}>(nullptr)", pointer)

    def _dtype(self) -> str:
        return next(t.dtype for t in (*self.inputs, *self.outputs) if t is not None)

    def packed(self, function: str, *args: Any, dtype: str | None = None) -> Expression:
        cpp = CPP_TYPES[dtype or self._dtype()]
        key = f"{cpp} {function} {args}"
        if key not in self.members:
            count = sum(kind == cpp for kind, _, _ in self.members.values())
            member = f"{_BUFFERS[cpp]}[{count}]"
            pack = self._expression(f"{function}<{cpp}>", args, "void", into=Expression(member, f"k::Buffer<{cpp}> &"))
            self.members[key] = (cpp, member, f"{pack};")
        return Expression(f"{self.members[key][1]}.data()", f"const {cpp} *")

    def scratch(self, dtype: str, shape: Shape, *, per_thread: bool = False) -> Expression:
        if per_thread and self.outline:
            count, dims = split_count(shape)
            shape = (*dims, -(-count // ALIGNMENT) * ALIGNMENT, THREADS)
        slot = self.arena.take(dtype, shape)
        self._scratch.append(slot)
        name = f"scratch{sum(n.startswith('scratch') for _, n, _ in self.pointers)}"
        self.pointers.append((CPP_TYPES[dtype], name, slot))
        return Expression(name, f"{CPP_TYPES[dtype]} *")

    def read_only(self, pointer: str) -> Expression:
        assert isinstance(pointer, Expression)
        return Expression(pointer, f"const {pointer.cpp_type}")

    def dim(self, dim: Dim) -> Expression:
        return self.count((dim,))

    def count(self, shape: Shape) -> Expression:
        factor, dims = split_count(shape)
        factors = [self.dim_names[d] for d in dims]
        if factor != 1 or not factors:
            factors.append(str(factor))
        return Expression(" * ".join(factors), "std::size_t")

    def struct(self, name: str, *values: Any) -> Expression:
        def written(value: Any) -> str:
            if isinstance(value, (list, tuple)):
                return f"{{{', '.join(map(written, value))}}}"
            return _argument(value)

        return Expression(f"k::{name}{written(values)}", f"const k::{name} &")

    def function(
        self, function: str, parameters: Sequence[str], *args: str, late: bool = False, result: str = "void"
    ) -> str:
        names = _names(parameters)
        returns = "" if result == "void" else "return "
        body = f"{returns}k::{function}({', '.join([*names, *args])});"
        if not self.outline:
            return f"+[]({_declared(parameters)}) {{ {body} }}"
        if not late or BATCH not in self.dims:
            return self._outlined(result, parameters, body)
        pointer = self._late("rows", result, parameters, body)
        return self._outlined(result, parameters, f"{returns}{pointer}({', '.join(names)});")

    def table(self, name: str, *values: str) -> str:
        text = f"{{{', '.join(values)}}}"
        if not self.outline:
            return f"k::{name}{text}"
        constant = _hashed("table", name + text)
        self.outlined[constant] = f"extern const k::{name} {constant};\nconst k::{name} {constant}{text};"
        return Expression(constant, f"const k::{name} &")

    def lanes(self, dtype: str) -> int | None:
        return None if self.vector_bytes is None else self.vector_bytes // np.dtype(dtype).itemsize

    def call(self, function: str, *args: Any) -> str:
        return f"{self._expression(function, args, 'void')};"

    def parallel_call(self, function: str, *args: Any) -> str:
        if not self.outline:
            return self.call(function, *args)
        alone, parameters, passed = self._entered(function, args, "void")
        kinds = ["const k::Team *", *parameters]
        team, *names = _names(kinds)
        shared = f"k::parallel_{function.partition('<')[0]}({', '.join([f'*{team}', *names, alone])});"
        pointer = self._late("team", "void", kinds, shared)
        either = f"{team} ? {pointer}({', '.join([team, *names])}) : {alone}({', '.join(names)});"
        return f"{self._outlined('void', kinds, either)}({', '.join(['team', *passed])});"

    def checked_call(self, function: str, *args: Any) -> str:
        status = len(self.failures) + 1
        origin = f" ({self.op.origin})" if self.op.origin else ""
        self.failures[status] = f"{self.op.op_type}{origin}: {self.op.failure}"
        return f"if (!{self._expression(function, args, 'bool')})\n   return {status};"

    def _expression(self, function: str, args: tuple[Any, ...], result: str, into: Expression | None = None) -> str:
        """The call itself, its result assigned ``into`` a variable; or, for the JIT, a call of a function that does it.

        Cling compiles inline functions and templates anew for every model that uses them, but a function of its own
        just once; so each kernel is entered through one, shared by all models of the process.
        """
        fixed = [arg for arg in args if isinstance(arg, str) and not isinstance(arg, Expression)]
        if not self.outline or any(map(_RUN_TIME.search, fixed)):
            call = f"k::{function}({', '.join(map(_argument, args))})"
            return call if into is None else f"{into} = {call}"
        name, _, passed = self._entered(function, args, result, into)
        return f"{name}({', '.join(passed)})"

    def _entered(
        self, function: str, args: tuple[Any, ...], result: str, into: Expression | None = None
    ) -> tuple[str, list[str], list[str]]:
        """A function that calls a kernel with what is the same in every call: name, parameters' types, arguments."""
        parameters: list[str] = []
        passed: list[str] = []

        def parameter(expression: Expression) -> str:
            parameters.append(expression.cpp_type)
            passed.append(expression)
            return _names(parameters)[-1]

        def inner(arg: Any) -> str:
            if isinstance(arg, (int, np.integer)) and not isinstance(arg, (bool, np.bool_)):
                arg = self.dim(int(arg))
            return parameter(arg) if isinstance(arg, Expression) else _argument(arg)

        target = "" if into is None else f"{parameter(into)} = "
        returns = "return " if result != "void" else ""
        body = f"{returns}{target}k::{function}({', '.join(map(inner, args))});"
        return self._outlined(result, parameters, body), parameters, passed

    def _outlined(self, result: str, parameters: Sequence[str], body: str) -> str:
        """The name of a function with these parameters and this body."""
        definition = f"({_declared(parameters)}) {{ {body} }}"
        name = _hashed("call", definition)
        self.outlined[name] = f"{result} {name}{definition}"
        return name

    def _late(self, when: str, result: str, parameters: Sequence[str], body: str) -> str:
        """The name of a pointer to such a function that is compiled later."""
        definition = f"({_declared(parameters)}) {{ {body} }}"
        pointer, name = _hashed("late", definition), _hashed("call", definition)
        self.late[pointer] = Late(when, name, f"{result} {name}{definition}")
        self.outlined[pointer] = f"{result} (*{pointer})({', '.join(parameters)}) = nullptr;"
        return pointer

    # the walk

    def _walk(self) -> None:
        last = last_uses(self.rmodel, self.roots)
        for name in (*self.rmodel.inputs, *self.rmodel.outputs):
            self.name_of(self.roots[name])
        for index, op in enumerate(self.rmodel.operators):
            self.op = op
            self.inputs = [self.rmodel.tensor_type(name) if name else None for name in op.inputs]
            results = op.infer(*self.inputs)
            self.outputs = list(results) if isinstance(results, tuple) else [results]
            touched = {self.roots[name] for name in (*op.inputs, *op.outputs) if name}
            for name, kind in zip(op.outputs, self.outputs, strict=False):
                if name in last and self.roots[name] == name:
                    before = memory_taken_over(self.rmodel, self.roots, last, index)
                    slot = self.slot_of.pop(before) if before else self.arena.take(kind.dtype, kind.shape)
                    self.slot_of[name] = slot
                    self.pointers.append((CPP_TYPES[kind.dtype], self.name_of(name), self.slot_of[name]))
            if not op.is_alias:
                self._scratch: list[int] = []
                statement = op.emit(self)
                self.flops += op.flops(self.inputs, self.outputs)
                if self.comments:
                    self.calls.append(f"// {index}: {self._describe(op)}")
                self.calls.extend(line.removeprefix("      ") for line in statement.splitlines())
                if self.profile:
                    self.op_timings.append(index)
                    self.calls.append(f"fSeconds[{len(self.op_timings)}] += k::elapsed(mark);")
                for slot in self._scratch:
                    self.arena.free(slot)
            for name in sorted(touched):
                if last.get(name) == index and name in self.slot_of:
                    self.arena.free(self.slot_of[name])

    def _describe(self, op: ROperator) -> str:
        def listed(names: Iterable[str]) -> str:
            return ", ".join(format_shape(self.rmodel.tensor_type(name).shape) for name in names if name)

        origin = f" of {op.origin}" if op.origin else ""
        return comment(f"{op.op_type}{origin}: {listed(op.inputs)} -> {listed(op.outputs)}")

    def _raw(self, name: str) -> Expression:
        if name not in self.weights:
            self.weights.append(name)
        cpp = CPP_TYPES[self.rmodel.initialized[name].dtype.name]
        return Expression(f"static_cast<const {cpp} *>(weights[{self.weights.index(name)}])", f"const {cpp} *")

    # the text

    def render(self) -> Rendering:
        tensors = [("const ", name) for name in self.rmodel.inputs] + [("", name) for name in self.rmodel.outputs]
        arguments = [
            f"{const}{CPP_TYPES[self.rmodel.tensor_type(name).dtype]} *{self.name_of(self.roots[name])}"
            for const, name in tensors
        ]
        dims = [f"std::size_t {self.dim_names[d]}" for d in self.dims]
        team = ["const k::Team *team"] if self.outline else []
        everything = ", ".join([*dims, *arguments, *team])
        offsets, total = self._offsets()
        declared = [
            f"{cpp} *const {name} = reinterpret_cast<{cpp} *>(arena + {offsets[slot]});"
            for cpp, name, slot in self.pointers
        ]
        if not self.pointers:
            declared.append("static_cast<void>(arena);")
        declared += ["static_cast<void>(team);"] if team else []
        unused = [f"static_cast<void>({self.name_of(self.roots[n])});" for n in self.rmodel.inputs if self._unused(n)]
        unused += [f"static_cast<void>({self.dim_names[d]});" for d in self.dims]
        clock = ["double mark = k::seconds();", "fSeconds[0] += k::elapsed(mark);"] if self.profile else []
        body = [*declared, *unused, *clock, *self.calls, "return 0;"]
        sizes = Counter(kind for kind, _, _ in self.members.values())
        session = [
            "struct Session {",
            *(f"   k::Buffer<{kind}> {_BUFFERS[kind]}[{size}];" for kind, size in sizes.items()),
            "   mutable k::ArenaPool fArenas;",
            *([f"   mutable double fSeconds[{1 + len(self.op_timings)}] = {{}};"] if self.profile else []),
            "",
            *(["   SOFIE_JIT_ONCE"] if self.outline else []),
            f"   explicit Session(const void *const *{'weights' if self.members else ''})",
            "   {",
            *(f"      {statement}" for _, _, statement in self.members.values()),
            "   }",
            "",
            f"   int run({everything}) const",
            "   {",
            *(f"      {line}" for line in self._run(total)),
            "   }",
            "",
            f"   SOFIE_JIT_{'ONCE' if self._is_slow() else 'NOINLINE'}",
            f"   int run_tile({', '.join([*dims, *arguments, 'char *arena', *team])}) const",
            "   {",
            *(f"      {line}" for line in body),
            "   }",
        ]
        used = ["core/memory.hxx", *(header for op in self.rmodel.operators for header in op.kernels)]
        if self.profile:
            used.append("core/profile.hxx")
        if self.outline:
            used.append("core/team.hxx")
        shared = [header for op in self.rmodel.operators for header in op.parallel_kernels]
        return Rendering(
            kernels=closure(used),
            parallel_kernels=closure([*used, *shared]),
            dims=self.dim_names,
            weights=self.weights,
            failures=self.failures,
            session=renamed("\n".join(session)),
            dim_arguments=", ".join(dims),
            tensor_arguments=", ".join(arguments),
            names={name: self.name_of(self.roots[name]) for name in (*self.rmodel.inputs, *self.rmodel.outputs)},
            outlined=self.outlined,
            late=self.late,
            tiled=can_tile(self.rmodel),
            slots=self.arena.slots,
            op_timings=self.op_timings,
        )

    def _is_slow(self) -> bool:
        """Whether calls take so long on average that what is between them needs no optimisation."""
        return self.outline and self.flops > SLOW * len(self.calls)

    def _unused(self, name: str) -> bool:
        return not any(name in op.inputs and not op.is_alias for op in self.rmodel.operators)

    def _run(self, total: str) -> list[str]:
        names = {name: self.name_of(self.roots[name]) for name in (*self.rmodel.inputs, *self.rmodel.outputs)}
        dims = [self.dim_names[d] for d in self.dims]
        last = ["arena.data()", *(["team"] if self.outline else [])]
        if not can_tile(self.rmodel):
            tensors = [names[name] for name in (*self.rmodel.inputs, *self.rmodel.outputs)]
            return [
                f"k::Lease arena(fArenas, {total});",
                f"return run_tile({', '.join([*dims, *tensors, *last])});",
            ]
        tiles = ["rows" if d == BATCH else self.dim_names[d] for d in self.dims]
        moved = []
        for name in (*self.rmodel.inputs, *self.rmodel.outputs):
            factor, others = split_count(self.rmodel.tensor_type(name).shape[1:])
            offset = " * ".join(["first", *(self.dim_names[d] for d in others), str(factor)])
            moved.append(f"{names[name]} + {offset}")
        return [
            f"const std::size_t tile = k::batch_tile({self._bytes(self._row_totals())});",
            "const std::size_t whole = batch;",
            "if (batch > tile)",
            "   batch = tile; // the arena holds one tile",
            f"k::Lease arena(fArenas, {total});",
            "for (std::size_t first = 0; first < whole; first += tile) {",
            "   const std::size_t rows = whole - first < tile ? whole - first : tile;",
            f"   if (const int status = run_tile({', '.join([*tiles, *moved, *last])}))",
            "      return status;",
            "}",
            "return 0;",
        ]

    def _offsets(self) -> tuple[list[str], str]:
        """Where each slot starts and how long the arena is, as C++ expressions (bytes)."""
        totals: dict[tuple[str, ...], int] = {}
        offsets = []
        for slot in self.arena.slots:
            offsets.append(self._bytes(totals))
            totals[slot.dims] = totals.get(slot.dims, 0) + slot.size
        return offsets, self._bytes(totals)

    def _bytes(self, totals: dict[tuple[str, ...], int]) -> str:
        names = {**self.dim_names, THREADS: "k::team_size(team)"}
        terms = [" * ".join([*(names[d] for d in dims), str(size)]) for dims, size in totals.items()]
        return " + ".join(terms) or "0"

    def _row_totals(self) -> dict[tuple[str, ...], int]:
        """What one row of the batch needs of the arena."""
        totals: dict[tuple[str, ...], int] = {}
        for slot in self.arena.slots:
            if BATCH in slot.dims:
                others = tuple(d for d in slot.dims if d != BATCH)
                totals[others] = totals.get(others, 0) + slot.size
        return totals


_BUFFERS = {
    "float": "fFloats",
    "double": "fDoubles",
    "std::int32_t": "fInts",
    "std::int64_t": "fLongs",
    "bool": "fBools",
}
"""Arrays of packed weights by element type: members of their own would each cost code to construct and destroy."""

SLOW = 1_000_000
"""Floating-point operations that take some ten microseconds; what is not optimised costs 10 ns a call."""

THREADS = "(threads)"
"""In a slot of the arena, the number of threads that share a call."""

_RUN_TIME = re.compile(r"\b(batch|dim\d+|t\d+|scratch\d+|f[A-Z]\w+\[\d+\])")
"""Names that only the Session's functions know, under the positional naming."""


def _names(parameters: Sequence[str]) -> list[str]:
    return [f"a{i}" for i in range(len(parameters))]


def _declared(parameters: Sequence[str]) -> str:
    """A function's parameters of these types."""
    declared = [f"{kind} {name}" for kind, name in zip(parameters, _names(parameters), strict=True)]
    return ", ".join(declared).replace("* ", "*").replace("& ", "&")


def _hashed(kind: str, definition: str) -> str:
    """A name for what is defined so."""
    return f"{kind}_{hashlib.sha256(definition.encode()).hexdigest()[:20]}"


def _argument(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    return str(value)
