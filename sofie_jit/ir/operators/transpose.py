"""Transpose: the axes of a tensor in another order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import format_shape
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rows import Rows
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class Transpose(ROperator):
    """Axis i of the output is axis ``perm[i]`` of the input; any type.

    >>> Transpose(perm=[1, 0]).evaluate(np.array([[1, 2, 3]]))
    array([[1],
           [2],
           [3]])
    """

    perm: Sequence[int]

    def infer(self, x: TensorType) -> TensorType:
        if sorted(self.perm) != list(range(x.rank)):
            raise ShapeError(f"Transpose: perm {tuple(self.perm)} is no order of the axes of {format_shape(x.shape)}")
        return TensorType(x.dtype, tuple(x.shape[axis] for axis in self.perm))

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x.transpose(self.perm)

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        (known,) = rows
        return known.moved(None if known.axis is None else list(self.perm).index(known.axis))
