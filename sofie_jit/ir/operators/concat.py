"""Concat: tensors joined along an axis."""

from __future__ import annotations

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import Dim, SymbolicDim, counts_rows, format_shape, normalize_axis
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType, common_dtype
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class Concat(ROperator):
    """Inputs of one element type that agree in all axes except ``axis``, joined along it.

    >>> Concat(axis=0).evaluate(np.array([1, 2]), np.array([3]))
    array([1, 2, 3])
    """

    axis: int

    def infer(self, *inputs: TensorType) -> TensorType:
        if not inputs:
            raise ShapeError("Concat needs at least one input")
        dtype, first = common_dtype("Concat", *inputs), inputs[0]
        axis = normalize_axis("Concat", self.axis, first.rank)
        shapes = ", ".join(format_shape(t.shape) for t in inputs)
        rests = {(*t.shape[:axis], *t.shape[axis + 1 :]) for t in inputs}
        if len(rests) > 1 or any(t.rank != first.rank for t in inputs):
            raise ShapeError(f"Concat: shapes must agree in all axes but {axis}, got {shapes}")
        joined: Dim = first.shape[axis]
        if len(inputs) > 1:
            joined = 0
            for t in inputs:
                size = t.shape[axis]
                if isinstance(size, SymbolicDim):
                    raise ShapeError(f"Concat: axis {axis} must have known sizes to be joined, got {shapes}")
                joined += size
        return TensorType(dtype, (*first.shape[:axis], joined, *first.shape[axis + 1 :]))

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return np.concatenate(inputs, self.axis)

    def mixes_rows(self, *inputs: TensorType) -> bool:
        return any(map(counts_rows, inputs[0].shape[:1])) and normalize_axis("Concat", self.axis, inputs[0].rank) == 0
