"""NonZero, Compress and Range: operators whose output has a size that depends on the data.

The size is a run-time dimension with a name, which the operator sets when it runs. Later operators depend on it like on
any other dimension. Memory is reserved for the largest size that the shapes of the inputs allow.
"""

from __future__ import annotations

import math

import numpy as np

from sofie_jit.errors import DtypeError, OutOfRangeError, ShapeError
from sofie_jit.ir.dims import Dim, SymbolicDim, minimum, normalize_axis, product
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType, common_dtype
from sofie_jit.records import dataclass

MOST_IN_RANGE = 1 << 20
"""Maximum elements of a Range whose limits are computed by the model: no shape is a bound of their number."""


@dataclass(kw_only=True)
class DataDependent(ROperator):
    """Base of operators that set the run-time dimension ``count``, which no input of the model may have."""

    count: str

    @property
    def dim(self) -> SymbolicDim:
        """The dimension that it sets."""
        return SymbolicDim(self.count)

    def most(self, *inputs: TensorType | None) -> Dim:
        """An upper bound of the size."""
        raise NotImplementedError(f"{self.op_type}.most")

    def sets_sizes(self, *inputs: TensorType | None) -> dict[str, Dim]:
        return {self.count: self.most(*inputs)}

    def mixes_rows(self, *inputs: TensorType | None) -> bool:
        return True


class NonZero(DataDependent):
    """The indices of the elements that are not 0, as int64 (rank, ``count``), in the order of the elements.

    >>> NonZero(count="n").evaluate(np.array([[1, 0], [1, 1]]))
    array([[0, 1, 1],
           [0, 0, 1]])
    """

    def infer(self, x: TensorType) -> TensorType:
        if not x.rank:
            raise ShapeError("NonZero needs a tensor with axes, got a single number")
        return TensorType("int64", (x.rank, self.dim))

    def most(self, x: TensorType) -> Dim:  # type: ignore[override]
        return product(*x.shape)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.stack(np.nonzero(x)).astype(np.int64)


@dataclass(kw_only=True)
class Compress(DataDependent):
    """The slices along ``axis`` where the vector ``condition`` of bools is true; it may be shorter than the axis.

    Without an axis, the elements of the flattened input.

    >>> Compress(count="n", axis=1).evaluate(np.array([[1, 2, 3]]), np.array([True, False, True]))
    array([[1, 3]])
    """

    axis: int | None = None

    def infer(self, x: TensorType, condition: TensorType) -> TensorType:
        if condition.dtype != "bool" or condition.rank != 1:
            raise DtypeError(f"Compress needs a vector of bools as its condition, got {condition}")
        before, _, after = self.around(x)
        return TensorType(x.dtype, (*before, self.dim, *after))

    def around(self, x: TensorType) -> tuple[tuple[Dim, ...], Dim, tuple[Dim, ...]]:
        """The sizes of the axes before, along and after the axis."""
        if self.axis is None:
            return (), product(*x.shape), ()
        axis = normalize_axis("Compress", self.axis, x.rank)
        return x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]

    def most(self, x: TensorType, condition: TensorType) -> Dim:  # type: ignore[override]
        return minimum(self.around(x)[1], condition.shape[0])

    def evaluate(self, x: np.ndarray, condition: np.ndarray) -> np.ndarray:
        size = x.size if self.axis is None else x.shape[self.axis]
        return np.compress(condition[:size], x, self.axis)


class Range(DataDependent):
    """``start``, ``start + delta``, ... up to ``limit``, which is not included; all three are single numbers.

    There may be at most 1,048,576 of them.

    >>> Range(count="n").evaluate(np.array(1), np.array(6), np.array(2))
    array([1, 3, 5])
    """

    def infer(self, start: TensorType, limit: TensorType, delta: TensorType) -> TensorType:
        dtype = common_dtype("Range", start, limit, delta)
        if dtype == "bool" or any(product(*t.shape) != 1 for t in (start, limit, delta)):
            raise ShapeError(f"Range needs three single numbers, got {start}, {limit} and {delta}")
        return TensorType(dtype, (self.dim,))

    def most(self, start: TensorType, limit: TensorType, delta: TensorType) -> Dim:  # type: ignore[override]
        return MOST_IN_RANGE

    def evaluate(self, start: np.ndarray, limit: np.ndarray, delta: np.ndarray) -> np.ndarray:
        first, last, step = (value.reshape(()) for value in (start, limit, delta))
        length = (last - first) / step if step != 0 else np.nan
        if not length <= MOST_IN_RANGE:
            raise OutOfRangeError(f"Range: {first} to {last} in steps of {step} are too many numbers")
        return (first + np.arange(max(math.ceil(length), 0)).astype(start.dtype) * step).astype(start.dtype)
