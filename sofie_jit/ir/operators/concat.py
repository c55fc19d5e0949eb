"""Concat: tensors joined along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import format_shape, normalize_axis
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement, common_size, equal_sizes
from sofie_jit.ir.rows import Rows
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
        rests = [(*t.shape[:axis], *t.shape[axis + 1 :]) for t in inputs]
        rest = [common_size(*dims) for dims in zip(*rests, strict=False)]
        if any(t.rank != first.rank for t in inputs) or None in rest:
            raise ShapeError(f"Concat: shapes must agree in all axes but {axis}, got {shapes}")
        joined = sum(t.shape[axis] for t in inputs)
        shape = [size for size in rest if size is not None]
        return TensorType(dtype, (*shape[:axis], joined, *shape[axis:]))

    def requirements(self, *inputs: TensorType) -> list[Requirement]:
        axis = normalize_axis("Concat", self.axis, inputs[0].rank)
        return equal_sizes(*((*t.shape[:axis], *t.shape[axis + 1 :]) for t in inputs))

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return np.concatenate(inputs, self.axis)

    def mixes_places(self, axis: int, *inputs: TensorType) -> bool:
        return axis == normalize_axis("Concat", self.axis, inputs[0].rank)

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        first = types[0]
        assert first is not None
        joins_last = normalize_axis("Concat", self.axis, first.rank) == first.rank - 1
        return replace(self.same_rows(types, rows), first=rows[0].integers if joins_last else None)
