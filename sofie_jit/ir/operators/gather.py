"""Gather: slices of a tensor picked by index, which is how an Embedding layer works."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.ir.dims import normalize_axis
from sofie_jit.ir.operators._indices import checked_indices
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rows import Rows, RowsMixedError, common_rows
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class Gather(ROperator):
    """``Y[..., indices, ...] = data[..., :, ...]`` along ``axis``; the axes of ``indices`` replace that axis.

    Negative indices count from the end. An index out of range makes ``infer`` of the compiled model raise
    OutOfRangeError. Beyond ONNX, indices may be floating-point numbers, whose fraction is cut off.

    >>> Gather(axis=1).evaluate(np.array([[1, 2, 3], [4, 5, 6]]), np.array([-1, 0]))
    array([[3, 1],
           [6, 4]])
    """

    axis: int = 0

    def infer(self, data: TensorType, indices: TensorType) -> TensorType:
        axis = normalize_axis("Gather", self.axis, data.rank)
        return TensorType(data.dtype, (*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :]))

    def evaluate(self, data: np.ndarray, indices: np.ndarray) -> np.ndarray:
        return data.take(checked_indices("Gather", indices, data.shape[self.axis]), self.axis)

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        (data, indices), (table, places) = types, rows
        assert data is not None
        assert indices is not None
        axis = normalize_axis("Gather", self.axis, data.rank)
        if table.axis == axis:
            if places.axis is None or not places.integers or not places.integers.points_into_rows(table.inner):
                raise RowsMixedError
            return Rows(axis + places.axis, places.inner)
        at_indices = None if places.axis is None else axis + places.axis
        moved = table.axis if table.axis is None or table.axis < axis else table.axis + indices.rank - 1
        return common_rows([Rows(moved, table.inner), Rows(at_indices, places.inner)])
