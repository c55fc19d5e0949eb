"""Functions of whole rows: Softmax, LogSoftmax, Sparsemax, and GLU, along any axis."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.operator import (
    ROperator,
    TensorType,
    counts_rows,
    float_dtype,
    format_shape,
    normalize_axis,
    static_dim,
)


@dataclass(kw_only=True)
class AlongAxis(ROperator):
    """A function of all numbers along ``axis``; input and output have one floating-point type and shape."""

    axis: int = -1

    def infer(self, x: TensorType) -> TensorType:
        float_dtype(self.op_type, x)
        normalize_axis(self.op_type, self.axis, x.rank)
        return x

    def mixes_rows(self, x: TensorType) -> bool:
        return counts_rows(x.shape[normalize_axis(self.op_type, self.axis, x.rank)])


class Softmax(AlongAxis):
    """``e^x`` divided by its sum along ``axis``."""


class LogSoftmax(AlongAxis):
    """The logarithm of Softmax."""


class Sparsemax(AlongAxis):
    """``max(x - tau, 0)``, tau as Keras computes it (see ``kernels/softmax.hxx``)."""


class GLU(AlongAxis):
    """The first half of the input along ``axis``, times the sigmoid of the second."""

    def infer(self, x: TensorType) -> TensorType:
        x = super().infer(x)
        axis = normalize_axis(self.op_type, self.axis, x.rank)
        size = static_dim(self.op_type, x.shape, axis)
        if size % 2:
            raise ShapeError(f"GLU halves axis {axis} of {format_shape(x.shape)}, whose size must be even")
        return replace(x, shape=(*x.shape[:axis], size // 2, *x.shape[axis + 1 :]))
