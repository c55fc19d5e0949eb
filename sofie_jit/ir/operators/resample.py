"""Resample: weighted sums of neighbors along one axis, the building block of resizing and adaptive pooling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.dims import format_shape, normalize_axis, split_count
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType, common_dtype, is_floating
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class Resample(ROperator):
    """Output o along ``axis`` is the sum of ``weights[o][t] * X[first + t]`` over ``t < count``; not in ONNX.

    Inputs: X, float32 or float64; the weights (outputs, taps) in the type of X, and the spans, int64 (outputs, 2), with
    (first, count) for each output. A span is cut to the part inside the axis, and to ``taps`` elements. Output: X with
    ``outputs`` elements along ``axis``, which must not be the first axis.

    >>> x, weights = np.array([[1.0, 2.0, 3.0]]), np.array([[0.5, 0.5], [1.0, 0.0]])
    >>> Resample(axis=1).evaluate(x, weights, np.array([[0, 2], [2, 1]]))
    array([[1.5, 3. ]])
    """

    axis: int

    def resampled_axis(self, x: TensorType) -> int:
        """The axis that is resampled, non-negative."""
        axis = normalize_axis("Resample", self.axis, x.rank)
        if axis == 0:
            raise ShapeError(f"Resample works along any axis but the first, got axis {self.axis} of {x}")
        return axis

    def infer(self, x: TensorType, weights: TensorType, spans: TensorType) -> TensorType:
        dtype, axis = common_dtype("Resample", x, weights), self.resampled_axis(x)
        if not is_floating(dtype) or spans.dtype != "int64":
            raise DtypeError(f"Resample needs floating-point numbers and spans in int64, got {dtype} and {spans.dtype}")
        if weights.rank != 2 or spans.shape != (weights.shape[0], 2):
            raise ShapeError(
                f"Resample needs weights (outputs, taps) and spans (outputs, 2), "
                f"got {format_shape(weights.shape)} and {format_shape(spans.shape)}"
            )
        return TensorType(dtype, (*x.shape[:axis], weights.shape[0], *x.shape[axis + 1 :]))

    def evaluate(self, x: np.ndarray, weights: np.ndarray, spans: np.ndarray) -> np.ndarray:
        rows = np.moveaxis(x, self.axis, -1)
        size, taps = rows.shape[-1], weights.shape[1]
        y = np.empty((*rows.shape[:-1], len(weights)), x.dtype)
        for o, (first, count) in enumerate(spans.tolist()):
            first = min(max(first, 0), size)
            count = min(max(count, 0), size - first, taps)
            y[..., o] = rows[..., first : first + count] @ weights[o, :count]
        return np.moveaxis(y, -1, self.axis)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        weights = inputs[1]
        assert weights is not None
        return 2 * split_count(weights.shape[1:])[0] * split_count(outputs[0].shape)[0]
