"""C++ calls of operators that set a run-time dimension."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.data_dependent import MOST_IN_RANGE, Compress, NonZero, Range

KERNELS = ("movement/select.hxx",)


@emits(NonZero, kernels=KERNELS)
def non_zero(op: NonZero, code: Emitter) -> Call:
    """``non_zero``."""
    x = code.type_of(0)
    shape = code.struct(f"Extents<{x.rank}>", list(map(code.dim, x.shape)))
    return code.call("non_zero", shape, code.input(0), code.output(0), code.size_target(op.count))


@emits(Compress, kernels=KERNELS)
def compress(op: Compress, code: Emitter) -> Call:
    """``compress``."""
    before, size, after = op.around(code.type_of(0))
    return code.call(
        "compress", code.count(before), code.dim(size), code.count(after), code.count(code.type_of(1).shape),
        code.input(0), code.input(1), code.output(0), code.size_target(op.count),
    )  # fmt: skip


@emits(Range, kernels=KERNELS)
def range_(op: Range, code: Emitter) -> Call:
    """``range``; fails for too many numbers."""
    return code.checked_call(
        "range", *map(code.input, range(3)), MOST_IN_RANGE, code.output(0), code.size_target(op.count),
        failure=f"more than {MOST_IN_RANGE:,} numbers, or steps of 0",
    )  # fmt: skip
