"""C++ calls of operators that set a run-time dimension."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import CPP_TYPES, Call, Constant
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.data_dependent import (
    MOST_IN_RANGE,
    Compress,
    NonMaxSuppression,
    NonZero,
    Range,
    Unique,
    around,
)

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
    before, size, after = around(code.type_of(0), op.axis)
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


@emits(Unique, kernels=("movement/unique.hxx",))
def unique(op: Unique, code: Emitter) -> Call:
    """``unique``, with indices in scratch memory."""
    before, size, after = around(code.type_of(0), op.axis)
    return code.call(
        "unique", code.count(before), code.dim(size), code.count(after), op.sorted, code.input(0),
        *map(code.output, range(4)), code.scratch("int32", (2 * size,)), code.size_target(op.count),
    )  # fmt: skip


@emits(NonMaxSuppression, kernels=("movement/non_max_suppression.hxx",))
def non_max_suppression(op: NonMaxSuppression, code: Emitter) -> Call:
    """``non_max_suppression``, with the order of the boxes in scratch memory."""
    boxes, scores = code.type_of(0), code.type_of(1)
    cpp = CPP_TYPES[boxes.dtype]
    limits = [
        code.input(index) if code.has_input(index) else Constant(f"static_cast<const {kind} *>(nullptr)")
        for index, kind in ((2, "std::int64_t"), (3, cpp), (4, cpp))
    ]
    return code.call(
        "non_max_suppression", *map(code.dim, scores.shape), op.center_point_box, code.input(0), code.input(1), *limits,
        code.output(0), code.scratch("int32", (scores.shape[2],)), code.size_target(op.count),
    )  # fmt: skip
