"""Resample: weighted sums of neighbours along one axis, what resizing and adaptive pooling are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.operators.geometry import by_register_width
from sofie_jit.ir.operators.operator import (
    Emitter,
    ROperator,
    TensorType,
    common_dtype,
    format_shape,
    normalize_axis,
    split_count,
    static_dim,
    static_dims,
)


@dataclass(kw_only=True)
class Resample(ROperator):
    """Output o along ``axis`` is the sum of ``weights[o][t] * X[first + t]`` for ``t < count``; no ONNX operator.

    Inputs: X, float32 or float64; the weights (outputs, taps) in the type of X, and the spans, int64 (outputs, 2),
    (first, count) for every output; both initialized tensors. A span is cut to what lies inside the axis. Output: X
    with ``outputs`` numbers along ``axis``, which is not the first.
    """

    axis: int

    kernels = ("resize/resample.hxx",)

    def _axis(self, x: TensorType) -> int:
        axis = normalize_axis("Resample", self.axis, x.rank)
        if axis == 0:
            raise ShapeError(f"Resample works along any axis but the first, got axis {self.axis} of {x}")
        return axis

    def infer(self, x: TensorType, weights: TensorType, spans: TensorType) -> TensorType:
        dtype, axis = common_dtype("Resample", x, weights), self._axis(x)
        if not dtype.startswith("float") or spans.dtype != "int64":
            raise DtypeError(f"Resample needs floating-point numbers and spans in int64, got {dtype} and {spans.dtype}")
        static_dims("Resample", x.shape[axis:])
        if weights.rank != 2 or spans.shape != (weights.shape[0], 2):
            raise ShapeError(
                f"Resample needs weights (outputs, taps) and spans (outputs, 2), "
                f"got {format_shape(weights.shape)} and {format_shape(spans.shape)}"
            )
        return TensorType(dtype, (*x.shape[:axis], weights.shape[0], *x.shape[axis + 1 :]))

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        weights = inputs[1]
        assert weights is not None
        return 2 * split_count(weights.shape[1:])[0] * split_count(outputs[0].shape)[0]

    def emit(self, code: Emitter) -> str:
        x, weights = code.inputs[0], code.inputs[1]
        assert x is not None
        assert weights is not None
        self.check_constant(code, 1, 2)
        axis = self._axis(x)
        size, (out, taps) = static_dim("Resample", x.shape, axis), static_dims("Resample", weights.shape)
        inner = math.prod(static_dims("Resample", x.shape[axis + 1 :]))
        spans = code.packed("pack_spans", code.raw(2), out, size, taps, dtype="int64")
        return code.call(
            f"resample<{by_register_width(lambda lanes: inner < lanes, x.dtype)}>", code.count(x.shape[:axis]),
            size, out, inner, taps, code.input(0), code.input(1), spans, code.output(0),
        )  # fmt: skip
