"""Reductions over any axes: ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd, ReduceSumSquare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from sofie_jit.ir.dims import normalize_axis
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rows import Rows
from sofie_jit.ir.types import TensorType, float_dtype
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class Reduce(ROperator):
    """Replaces the elements along ``axes`` by one; with ``keepdims`` these axes stay, with size 1.

    None or no axes stands for all axes, or with ``noop_with_empty_axes`` for none.

    >>> ReduceSum(axes=[1], keepdims=False).evaluate(np.array([[1, 2], [3, 4]]))
    array([3, 7])
    """

    axes: Sequence[int] | None = None
    keepdims: bool = True
    noop_with_empty_axes: bool = False

    integers: ClassVar[bool] = True
    functor_name: ClassVar[str] = ""
    """The reduction that the kernel computes, if its name is another than that of the class."""

    def reduced(self, rank: int) -> list[int]:
        """The axes of a tensor of ``rank`` that are reduced, ascending and non-negative."""
        axes = self.axes or ([] if self.noop_with_empty_axes else range(rank))
        return sorted({normalize_axis(self.op_type, axis, rank) for axis in axes})

    def infer(self, x: TensorType) -> TensorType:
        float_dtype(self.op_type, x, integers=self.integers)
        axes = self.reduced(x.rank)
        shape = ((1 if axis in axes else dim) for axis, dim in enumerate(x.shape) if self.keepdims or axis not in axes)
        return TensorType(x.dtype, tuple(shape))

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return self._over(x, tuple(self.reduced(x.ndim)))

    def _over(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        raise NotImplementedError(f"{self.op_type}.evaluate")

    def mixes_places(self, axis: int, x: TensorType) -> bool:
        return axis in self.reduced(x.rank)

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        (x,), known = types, self.same_rows(types, rows)
        if known.axis is None or self.keepdims:
            return known
        assert x is not None
        return known.moved(known.axis - sum(axis < known.axis for axis in self.reduced(x.rank)))


class ReduceSum(Reduce):
    """The sum."""

    def _over(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        return np.sum(x, axes, x.dtype, keepdims=self.keepdims)


class ReduceSumSquare(Reduce):
    """The sum of the squares."""

    integers = False

    def _over(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        return np.sum(np.square(x), axes, x.dtype, keepdims=self.keepdims)


class ReduceProd(Reduce):
    """The product."""

    def _over(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        return np.prod(x, axes, x.dtype, keepdims=self.keepdims)


class ReduceMax(Reduce):
    """The maximum; NaN if an element is NaN, the smallest number of the type if there are no elements."""

    def _over(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        smallest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        return np.max(x, axes, keepdims=self.keepdims, initial=smallest)


class ReduceMin(Reduce):
    """The minimum; NaN if an element is NaN, the largest number of the type if there are no elements."""

    def _over(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        largest = np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).max
        return np.min(x, axes, keepdims=self.keepdims, initial=largest)


class ReduceMean(Reduce):
    """The mean; the sizes of the axes must be known, except that of the batch."""

    integers = False
    functor_name = "ReduceSum"

    def _over(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        count = np.prod([x.shape[axis] for axis in axes], dtype=x.dtype)
        return np.sum(x, axes, x.dtype, keepdims=self.keepdims) / count
