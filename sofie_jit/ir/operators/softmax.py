"""Softmax, LogSoftmax, Sparsemax and GLU: functions of all elements along an axis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import format_shape, normalize_axis, static_dim
from sofie_jit.ir.operators import _special
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType, float_dtype
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class AlongAxis(ROperator):
    """A function of all elements along ``axis``; input and output have one floating-point type and shape.

    >>> Softmax().evaluate(np.array([0.0, np.log(3.0)]))
    array([0.25, 0.75])
    """

    axis: int = -1

    def infer(self, x: TensorType) -> TensorType:
        float_dtype(self.op_type, x)
        normalize_axis(self.op_type, self.axis, x.rank)
        return x

    def mixes_places(self, axis: int, x: TensorType) -> bool:
        return axis == normalize_axis(self.op_type, self.axis, x.rank)


class Softmax(AlongAxis):
    """``e^x`` divided by its sum along ``axis``."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        powers = np.exp(x - x.max(self.axis, keepdims=True, initial=-np.inf))
        return powers / powers.sum(self.axis, keepdims=True)


class LogSoftmax(AlongAxis):
    """The logarithm of Softmax."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        shifted = x - x.max(self.axis, keepdims=True, initial=-np.inf)
        return shifted - np.log(np.exp(shifted).sum(self.axis, keepdims=True))


class Sparsemax(AlongAxis):
    """``max(x - tau, 0)`` with Keras's definition of tau; NaN if an element is NaN.

    With z the elements in descending order and c their cumulative sums, the support is the set of those k, counted from
    1, with ``z[k] > (c[k] - 1) / k``, and tau is (the sum of c over the support, minus 1) / (the size of the support).
    (In the literature, tau has the last of these c[k] in place of their sum.)
    """

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        rows = np.moveaxis(x, self.axis, -1)
        z = -np.sort(-rows, -1)
        c = np.cumsum(z, -1)
        support = z - (c - 1) / np.arange(1, z.shape[-1] + 1, dtype=x.dtype) > 0
        total = np.where(support, c, 0).sum(-1, keepdims=True)
        tau = (total - 1) / support.sum(-1, keepdims=True, dtype=x.dtype)
        tau = np.where(np.isnan(rows).any(-1, keepdims=True), np.nan, tau)
        return np.moveaxis(np.maximum(rows - tau, 0), -1, self.axis).astype(x.dtype)


class GLU(AlongAxis):
    """The first half of the input along ``axis``, times the sigmoid of the second half.

    >>> GLU().evaluate(np.array([3.0, 0.0]))
    array([1.5])
    """

    def infer(self, x: TensorType) -> TensorType:
        x = super().infer(x)
        axis = normalize_axis(self.op_type, self.axis, x.rank)
        size = static_dim(self.op_type, x.shape, axis)
        if size % 2:
            raise ShapeError(f"GLU halves axis {axis} of {format_shape(x.shape)}, whose size must be even")
        return replace(x, shape=(*x.shape[:axis], size // 2, *x.shape[axis + 1 :]))

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        values, gates = np.split(x, 2, self.axis)
        return values * _special.sigmoid(gates)
