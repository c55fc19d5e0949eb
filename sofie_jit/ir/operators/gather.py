"""Gather: slices of a tensor picked by index, which is how an Embedding layer works."""

from __future__ import annotations

import numpy as np

from sofie_jit.ir.dims import counts_rows, normalize_axis
from sofie_jit.ir.operators._indices import checked_indices
from sofie_jit.ir.operators.operator import ROperator
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

    def mixes_rows(self, data: TensorType, indices: TensorType) -> bool:
        return any(map(counts_rows, data.shape[:1])) and normalize_axis("Gather", self.axis, data.rank) == 0
