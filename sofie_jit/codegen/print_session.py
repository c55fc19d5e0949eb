"""The C++ ``struct Session`` of a plan: packed weights, and ``run``; what the JIT's text and saved headers share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count

from sofie_jit.codegen.arena import THREADS, Slot
from sofie_jit.codegen.expressions import CPP_TYPES
from sofie_jit.codegen.kernel_library import renamed
from sofie_jit.codegen.plan import Plan
from sofie_jit.codegen.print_statements import BUFFERS, StatementPrinter
from sofie_jit.codegen.tuning import ALIGNMENT, LARGE_WEIGHTS_BYTES, LARGE_WEIGHTS_TILE_BYTES
from sofie_jit.ir.dims import BATCH, Dim, Shape, bind_shape, counts_rows, product, split_count


class SessionPrinter(StatementPrinter):
    """Prints the Session of ``plan``. Derived classes say how calls and functions look."""

    profile = False
    """Whether the clock is read after each operator."""

    team_parameters: tuple[str, ...] = ()
    """Parameters of ``run`` after the tensors."""
    once = ""
    """The attribute of functions that run once."""

    def __init__(self, plan: Plan, name_of: Callable[[str], str], dim_names: Mapping[str, str]):
        super().__init__(plan, name_of, dim_names)
        self._call_lines = 0

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

    def _calls(self) -> Iterator[str]:
        status = 1
        for step in self.plan.steps:
            yield from self.introduction(step)
            yield from self._statements(step.statements, count(status))
            status += sum(bool(call.failure) for call in step.calls)
            yield from self.conclusion(step)

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


def count_text(shape: Shape, names: Mapping[str, str]) -> str:
    """The number of elements of ``shape`` as a C++ product."""
    number, factors = split_count(shape)
    return " * ".join([*(factor.cpp(names, as_factor=True) for factor in factors), str(number)])
