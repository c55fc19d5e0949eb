"""Expand: axes of size 1 repeated."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import Shape, as_shape, bind_shape, format_shape
from sofie_jit.ir.operators.operator import ROperator, evaluated_shape
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class Expand(ROperator):
    """The input broadcast to ``shape``; any type.

    Both shapes are aligned at their last axes. If two sizes differ, one must be 1, and the result has the other. A
    name in ``shape`` is a run-time dimension.

    >>> Expand(shape=(2, 1)).evaluate(np.array([1, 2, 3]))
    array([[1, 2, 3],
           [1, 2, 3]])
    """

    shape: Shape

    def bind(self, sizes: Mapping[str, int]) -> None:
        self.shape = bind_shape(self.shape, sizes)

    def infer(self, x: TensorType) -> TensorType:
        shape = as_shape(self.shape)
        rank = max(x.rank, len(shape))
        pairs = list(zip(aligned(x.shape, rank), aligned(shape, rank), strict=True))
        if any(a != b and 1 not in (a, b) for a, b in pairs):
            raise ShapeError(f"Expand: {format_shape(x.shape)} does not broadcast to {format_shape(shape)}")
        return TensorType(x.dtype, tuple(b if a == 1 else a for a, b in pairs))

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.broadcast_to(x, evaluated_shape(self, x))


def aligned(shape: Shape, rank: int) -> Shape:
    """``shape`` with leading axes of size 1, so that it has ``rank`` axes."""
    return (1,) * (rank - len(shape)) + shape
