"""Functions of whole rows: Softmax, LogSoftmax, Sparsemax, and GLU, along any axis."""

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

SHORT = constant("core/simd.hxx", "virtual_lanes")
"""Numbers of a row that ``softmax_short`` takes."""


@dataclass(kw_only=True)
class AlongAxis(ROperator):
    """A function of all numbers along ``axis``; input and output have one floating-point type and shape."""

    axis: int = -1

    kernels = ("reduction/softmax.hxx",)

    def infer(self, x: TensorType) -> TensorType:
        float_dtype(self.op_type, x)
        normalize_axis(self.op_type, self.axis, x.rank)
        return x

    def mixes_rows(self, x: TensorType) -> bool:
        return counts_rows(x.shape[normalize_axis(self.op_type, self.axis, x.rank)])

    def _sizes(self, code: Emitter) -> tuple[str, str, str]:
        """The input as [outer][size][inner] around the axis."""
        shape = code.outputs[0].shape
        axis = normalize_axis(self.op_type, self.axis, len(shape))
        return code.count(shape[:axis]), code.count(shape[axis : axis + 1]), code.count(shape[axis + 1 :])


class Softmax(AlongAxis):
    """``e^x`` divided by its sum along ``axis``."""

    def in_place(self, x: TensorType) -> tuple[int, ...]:
        return (0,)

    def emit(self, code: Emitter) -> str:
        outer, size, inner = self._sizes(code)
        if code.lanes(code.outputs[0].dtype) and self._has_single_rows(code.outputs[0].shape):
            return self._emit_short(code, outer, size)
        if inner == "1":
            length = code.outputs[0].shape[normalize_axis(self.op_type, self.axis, code.outputs[0].rank)]
            kernel = "softmax_long" if isinstance(length, int) and length > SHORT else "softmax_last"
            return code.call(kernel, outer, size, code.input(0), code.output(0))
        return code.call("softmax", outer, size, inner, code.input(0), code.output(0))

    def _has_single_rows(self, shape: Shape) -> bool:
        """Whether there is one short row for each of the batch: what several need can be compiled when they come."""
        last = normalize_axis(self.op_type, self.axis, len(shape)) == len(shape) - 1
        return last and shape[:-1] == (BATCH,) and isinstance(shape[-1], int) and shape[-1] <= SHORT

    def _emit_short(self, code: Emitter, rows: str, size: str) -> str:
        cpp = CPP_TYPES[code.outputs[0].dtype]
        most = SHORT if 2 * static_dim("Softmax", code.outputs[0].shape, -1) > SHORT else SHORT // 2
        several = code.function("softmax_last", ("std::size_t",) * 2 + (f"const {cpp} *", f"{cpp} *"), late=True)
        return code.call(f"softmax_short<{most}>", rows, size, code.input(0), code.output(0), several)


class LogSoftmax(AlongAxis):
    """The logarithm of Softmax."""

    def emit(self, code: Emitter) -> str:
        return code.call("log_softmax", *self._sizes(code), code.input(0), code.output(0))


class Sparsemax(AlongAxis):
    """``max(x - tau, 0)``, tau as Keras computes it (see ``kernels/softmax.hxx``)."""

    def emit(self, code: Emitter) -> str:
        y = code.outputs[0]
        scratch = code.scratch(y.dtype, (y.shape[self.axis],))
        return code.call("sparsemax", *self._sizes(code), code.input(0), code.output(0), scratch)


class GLU(AlongAxis):
    """The first half of the input along ``axis``, times the sigmoid of the second."""

    def infer(self, x: TensorType) -> TensorType:
        x = super().infer(x)
        axis = normalize_axis(self.op_type, self.axis, x.rank)
        size = static_dim(self.op_type, x.shape, axis)
        if size % 2:
            raise ShapeError(f"GLU halves axis {axis} of {format_shape(x.shape)}, whose size must be even")
        return replace(x, shape=(*x.shape[:axis], size // 2, *x.shape[axis + 1 :]))

    def emit(self, code: Emitter) -> str:
        shape = code.outputs[0].shape
        axis = normalize_axis(self.op_type, self.axis, len(shape))
        return code.call("glu", code.count(shape[:axis]), code.count(shape[axis:]), code.input(0), code.output(0))
