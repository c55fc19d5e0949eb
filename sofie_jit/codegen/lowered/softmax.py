"""C++ calls of functions of whole rows: Softmax, LogSoftmax, Sparsemax, GLU."""

from __future__ import annotations

from sofie_jit.codegen import tuning
from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import CPP_TYPES, Call, Size
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.dims import BATCH, Shape, normalize_axis, static_dim
from sofie_jit.ir.operators.softmax import GLU, AlongAxis, LogSoftmax, Softmax, Sparsemax

KERNELS = ("reduction/softmax.hxx",)

SHORT = tuning.VIRTUAL_LANES
"""Elements of a row that ``softmax_short`` takes."""


def _around(op: AlongAxis, code: Emitter) -> tuple[Size, Size, Size]:
    """The input as [outer][size][inner] around the axis."""
    shape = code.outputs[0].shape
    axis = normalize_axis(op.op_type, op.axis, len(shape))
    return code.count(shape[:axis]), code.count(shape[axis : axis + 1]), code.count(shape[axis + 1 :])


@emits(Softmax, kernels=KERNELS, in_place=(0,))
def softmax(op: Softmax, code: Emitter) -> Call:
    """The kernel for rows of this length: in registers, contiguous, or strided."""
    outer, size, inner = _around(op, code)
    shape = code.outputs[0].shape
    if code.lanes(code.outputs[0].dtype) and _has_single_rows(op, shape):
        return _short(code, outer, size)
    if inner.is_one:
        length = shape[normalize_axis(op.op_type, op.axis, len(shape))]
        kernel = "softmax_long" if isinstance(length, int) and length > SHORT else "softmax_last"
        return code.call(kernel, outer, size, code.input(0), code.output(0))
    return code.call("softmax", outer, size, inner, code.input(0), code.output(0))


def _has_single_rows(op: Softmax, shape: Shape) -> bool:
    """Whether there is one short row for each row of the batch: the code for several can be compiled when they come."""
    last = normalize_axis(op.op_type, op.axis, len(shape)) == len(shape) - 1
    return last and shape[:-1] == (BATCH,) and isinstance(shape[-1], int) and shape[-1] <= SHORT


def _short(code: Emitter, rows: Size, size: Size) -> Call:
    cpp = CPP_TYPES[code.outputs[0].dtype]
    most = SHORT if 2 * static_dim("Softmax", code.outputs[0].shape, -1) > SHORT else SHORT // 2
    several = code.function("softmax_last", ("std::size_t",) * 2 + (f"const {cpp} *", f"{cpp} *"), deferred=True)
    return code.call(f"softmax_short<{most}>", rows, size, code.input(0), code.output(0), several)


@emits(LogSoftmax, kernels=KERNELS)
def log_softmax(op: LogSoftmax, code: Emitter) -> Call:
    """``log_softmax`` of each row."""
    return code.call("log_softmax", *_around(op, code), code.input(0), code.output(0))


@emits(Sparsemax, kernels=KERNELS)
def sparsemax(op: Sparsemax, code: Emitter) -> Call:
    """``sparsemax`` of each row, which is sorted in scratch memory."""
    y = code.outputs[0]
    scratch = code.scratch(y.dtype, (y.shape[op.axis],))
    return code.call("sparsemax", *_around(op, code), code.input(0), code.output(0), scratch)


@emits(GLU, kernels=KERNELS)
def glu(op: GLU, code: Emitter) -> Call:
    """``glu`` of each row."""
    shape = code.outputs[0].shape
    axis = normalize_axis(op.op_type, op.axis, len(shape))
    return code.call("glu", code.count(shape[:axis]), code.count(shape[axis:]), code.input(0), code.output(0))
