"""Reductions over any axes: ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd, ReduceSumSquare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sofie_jit.ir.operators.operator import (
    ROperator,
    TensorType,
    counts_rows,
    float_dtype,
    normalize_axis,
)


@dataclass(kw_only=True)
class Reduce(ROperator):
    """All numbers along ``axes`` become one; None stands for all axes. With ``keepdims`` the axes stay, of size 1."""

    axes: Sequence[int] | None = None
    keepdims: bool = True

    integers: ClassVar[bool] = True
    functor_name: ClassVar[str] = ""

    def reduced(self, rank: int) -> list[int]:
        """The axes of a tensor of ``rank`` that are reduced, ascending and non-negative."""
        axes = range(rank) if self.axes is None else self.axes
        return sorted({normalize_axis(self.op_type, axis, rank) for axis in axes})

    def infer(self, x: TensorType) -> TensorType:
        float_dtype(self.op_type, x, integers=self.integers)
        axes = self.reduced(x.rank)
        shape = ((1 if axis in axes else dim) for axis, dim in enumerate(x.shape) if self.keepdims or axis not in axes)
        return TensorType(x.dtype, tuple(shape))

    def mixes_rows(self, x: TensorType) -> bool:
        return any(counts_rows(x.shape[axis]) for axis in self.reduced(x.rank))


class ReduceSum(Reduce):
    """The sum."""


class ReduceSumSquare(Reduce):
    """The sum of the squares."""

    integers = False


class ReduceProd(Reduce):
    """The product."""


class ReduceMax(Reduce):
    """The largest number; NaN if there is one."""


class ReduceMin(Reduce):
    """The smallest number; NaN if there is one."""


class ReduceMean(Reduce):
    """The mean; the axes it is taken over must have known sizes, but for the batch."""

    integers = False
    functor_name = "ReduceSum"
