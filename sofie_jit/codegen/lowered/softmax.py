"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.softmax`."""

from __future__ import annotations
from dataclasses import dataclass, replace
from sofie_jit.codegen.kernel_library import constant
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.operator import (
    BATCH,
    CPP_TYPES,
    Emitter,
    ROperator,
    Shape,
    TensorType,
    counts_rows,
    float_dtype,
    format_shape,
    normalize_axis,
    static_dim,
)
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.softmax import AlongAxis, Softmax, LogSoftmax, Sparsemax, GLU


SHORT = constant("core/simd.hxx", "virtual_lanes")
"""Numbers of a row that ``softmax_short`` takes."""


# NOEMIT ['AlongAxis', 'kernels=("reduction/softmax.hxx",)']


def _sizes_along_axis(op: AlongAxis, code: Emitter) -> tuple[str, str, str]:
    """The input as [outer][size][inner] around the axis."""
    shape = code.outputs[0].shape
    axis = normalize_axis(op.op_type, op.axis, len(shape))
    return code.count(shape[:axis]), code.count(shape[axis : axis + 1]), code.count(shape[axis + 1 :])


@emits(Softmax, in_place=(0,))
def softmax(op: Softmax, code: Emitter) -> str:
    outer, size, inner = op._sizes(code)
    if code.lanes(code.outputs[0].dtype) and _has_single_rows(op, code.outputs[0].shape):
        return _emit_short(op, code, outer, size)
    if inner == "1":
        length = code.outputs[0].shape[normalize_axis(op.op_type, op.axis, code.outputs[0].rank)]
        kernel = "softmax_long" if isinstance(length, int) and length > SHORT else "softmax_last"
        return code.call(kernel, outer, size, code.input(0), code.output(0))
    return code.call("softmax", outer, size, inner, code.input(0), code.output(0))


def _has_single_rows(op: Softmax, shape: Shape) -> bool:
    """Whether there is one short row for each of the batch: what several need can be compiled when they come."""
    last = normalize_axis(op.op_type, op.axis, len(shape)) == len(shape) - 1
    return last and shape[:-1] == (BATCH,) and isinstance(shape[-1], int) and shape[-1] <= SHORT


def _emit_short(op: Softmax, code: Emitter, rows: str, size: str) -> str:
    cpp = CPP_TYPES[code.outputs[0].dtype]
    most = SHORT if 2 * static_dim("Softmax", code.outputs[0].shape, -1) > SHORT else SHORT // 2
    several = code.function("softmax_last", ("std::size_t",) * 2 + (f"const {cpp} *", f"{cpp} *"), late=True)
    return code.call(f"softmax_short<{most}>", rows, size, code.input(0), code.output(0), several)


@emits(LogSoftmax)
def log_softmax(op: LogSoftmax, code: Emitter) -> str:
    return code.call("log_softmax", *op._sizes(code), code.input(0), code.output(0))


@emits(Sparsemax)
def sparsemax(op: Sparsemax, code: Emitter) -> str:
    y = code.outputs[0]
    scratch = code.scratch(y.dtype, (y.shape[op.axis],))
    return code.call("sparsemax", *op._sizes(code), code.input(0), code.output(0), scratch)


@emits(GLU)
def glu(op: GLU, code: Emitter) -> str:
    shape = code.outputs[0].shape
    axis = normalize_axis(op.op_type, op.axis, len(shape))
    return code.call("glu", code.count(shape[:axis]), code.count(shape[axis:]), code.input(0), code.output(0))
