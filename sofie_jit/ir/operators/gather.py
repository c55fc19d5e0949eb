"""Gather: rows of a tensor picked by index, what an Embedding layer is."""

from __future__ import annotations

from dataclasses import dataclass

from sofie_jit.ir.operators.operator import ROperator, TensorType, counts_rows, normalize_axis


@dataclass(kw_only=True)
class Gather(ROperator):
    """``Y[..., indices, ...] = data[..., :, ...]`` along ``axis``; the indices' axes take the place of that axis.

    Negative indices count from the end; one out of range makes ``infer`` raise OutOfRangeError. Beyond ONNX, indices
    may be floating-point numbers, which are cut to integers.
    """

    axis: int = 0

    def infer(self, data: TensorType, indices: TensorType) -> TensorType:
        axis = normalize_axis("Gather", self.axis, data.rank)
        return TensorType(data.dtype, (*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :]))

    def mixes_rows(self, data: TensorType, indices: TensorType) -> bool:
        return any(map(counts_rows, data.shape[:1])) and normalize_axis("Gather", self.axis, data.rank) == 0
