"""Expand: axes of size 1 repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sofie_jit.ir.dims import Shape, as_shape, bind_shape
from sofie_jit.ir.operators.operator import ROperator, evaluated_shape
from sofie_jit.ir.requirements import Requirement, broadcast_shapes, broadcast_sizes
from sofie_jit.ir.rows import Rows, repeated_rows
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
        return TensorType(x.dtype, broadcast_shapes("Expand", x.shape, shape))

    def requirements(self, x: TensorType) -> list[Requirement]:
        return broadcast_sizes(x.shape, as_shape(self.shape))

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        (x,) = types
        assert x is not None
        return repeated_rows(rows[0], x.shape, self.infer(x).shape)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.broadcast_to(x, evaluated_shape(self, x))


def aligned(shape: Shape, rank: int) -> Shape:
    """``shape`` with leading axes of size 1, so that it has ``rank`` axes."""
    return (1,) * (rank - len(shape)) + shape
