"""Expand: axes of size 1 repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.operator import ROperator, Shape, TensorType, bind_shape, format_shape


@dataclass(kw_only=True)
class Expand(ROperator):
    """The input broadcast to ``shape``, as ONNX does it: both shapes are aligned at their last axes, and of two sizes
    that differ one must be 1. A name in ``shape`` is a run-time dimension.
    """

    shape: Shape = ()

    def bind(self, sizes: Mapping[str, int]) -> None:
        self.shape = bind_shape(tuple(self.shape), sizes)

    def infer(self, x: TensorType) -> TensorType:
        rank = max(x.rank, len(self.shape))
        pairs = list(zip(aligned(x.shape, rank), aligned(tuple(self.shape), rank), strict=True))
        if any(a != b and 1 not in (a, b) for a, b in pairs):
            raise ShapeError(f"Expand: {format_shape(x.shape)} does not broadcast to {format_shape(tuple(self.shape))}")
        return TensorType(x.dtype, tuple(b if a == 1 else a for a, b in pairs))


def aligned(shape: Shape, rank: int) -> Shape:
    """``shape`` with leading axes of size 1, so that it has ``rank``."""
    return (1,) * (rank - len(shape)) + shape
