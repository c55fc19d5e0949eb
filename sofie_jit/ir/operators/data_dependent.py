"""NonZero, Compress, Range, Unique, NonMaxSuppression: operators whose output has a size that depends on the data.

The size is a run-time dimension with a name, which the operator sets when it runs. Later operators depend on it like on
any other dimension. Memory is reserved for the largest size that the shapes of the inputs allow.
"""

from __future__ import annotations

import math

import numpy as np

from sofie_jit.errors import DtypeError, OutOfRangeError, ShapeError
from sofie_jit.ir.dims import Dim, Shape, SymbolicDim, minimum, normalize_axis, product
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement, equal_sizes
from sofie_jit.ir.types import TensorType, common_dtype
from sofie_jit.records import dataclass

MOST_IN_RANGE = 1 << 20
"""Maximum elements of a Range whose limits are computed by the model: no shape is a bound of their number."""


def around(x: TensorType, axis: int | None) -> tuple[Shape, Dim, Shape]:
    """The sizes before, along and after an axis; None stands for that of the flattened tensor."""
    if axis is None:
        return (), product(*x.shape), ()
    axis = normalize_axis("an operator", axis, x.rank)
    return x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]


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

    def mixes_places(self, axis: int, *inputs: TensorType | None) -> bool:
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
        before, _, after = around(x, self.axis)
        return TensorType(x.dtype, (*before, self.dim, *after))

    def most(self, x: TensorType, condition: TensorType) -> Dim:  # type: ignore[override]
        return minimum(around(x, self.axis)[1], condition.shape[0])

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


@dataclass(kw_only=True)
class Unique(DataDependent):
    """The distinct elements, or slices along ``axis``; ascending, or in the order of their first appearance.

    Outputs: the ``count`` elements; for each of them the index of its first appearance; for each element of the input
    the index of its value among them; how often each appears. NaN equals NaN and comes last.

    >>> Unique(count="n").evaluate(np.array([2, 1, 2]))[:2]
    (array([1, 2]), array([1, 0]))
    """

    axis: int | None = None
    sorted: bool = True

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        before, size, after = around(x, self.axis)
        y = TensorType(x.dtype, (*before, self.dim, *after))
        one_each, of_all = TensorType("int64", (self.dim,)), TensorType("int64", (size,))
        return y, one_each, of_all, one_each

    def most(self, x: TensorType) -> Dim:  # type: ignore[override]
        return around(x, self.axis)[1]

    def evaluate(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        y, first, inverse, counts = np.unique(x, True, True, True, self.axis)
        inverse = inverse.ravel()
        if not self.sorted:
            order = np.argsort(first)
            y = y.take(order, self.axis)
            first, counts, inverse = first[order], counts[order], np.argsort(order)[inverse]
        return y, *(array.astype(np.int64) for array in (first, inverse, counts))


@dataclass(kw_only=True)
class NonMaxSuppression(DataDependent):
    """The boxes of each class with the highest scores that do not overlap a chosen box of the class too much.

    Inputs: boxes (B, N, 4); scores (B, C, N); optionally, as single numbers, the maximum of boxes per class (int64,
    default 0), the largest quotient of intersection and union of two boxes (default 0), and the score that boxes must
    exceed. Output: int64 (``count``, 3), the indices of batch, class and box. A box is (y1, x1, y2, x2) with any two
    opposite corners, or with ``center_point_box`` (x center, y center, width, height). Boxes whose
    score is NaN are left out.

    >>> boxes = np.array([[[0, 0, 1, 1], [0, 0, 1, 1.1], [2, 2, 3, 3]]])
    >>> scores = np.array([[[0.5, 0.9, 0.1]]])
    >>> NonMaxSuppression(count="n").evaluate(boxes, scores, np.array(3), np.array(0.5))
    array([[0, 0, 1],
           [0, 0, 2]])
    """

    center_point_box: bool = False

    def infer(self, boxes: TensorType, scores: TensorType, *limits: TensorType | None) -> TensorType:
        common_dtype("NonMaxSuppression", boxes, scores)
        if boxes.rank != 3 or scores.rank != 3 or boxes.shape[2] != 4:
            raise ShapeError(f"NonMaxSuppression needs boxes (B, N, 4) and scores (B, C, N), got {boxes} and {scores}")
        if any(limit is not None and product(*limit.shape) != 1 for limit in limits):
            raise ShapeError(f"NonMaxSuppression needs limits that are single numbers, got {limits}")
        return TensorType("int64", (self.dim, 3))

    def requirements(self, boxes: TensorType, scores: TensorType, *limits: TensorType | None) -> list[Requirement]:
        return equal_sizes(boxes.shape[:2], (scores.shape[0], scores.shape[2]))

    def most(self, boxes: TensorType, scores: TensorType, *limits: TensorType | None) -> Dim:  # type: ignore[override]
        return product(*scores.shape)

    def evaluate(
        self,
        boxes: np.ndarray,
        scores: np.ndarray,
        most: np.ndarray | None = None,
        overlap: np.ndarray | None = None,
        least: np.ndarray | None = None,
    ) -> np.ndarray:
        limit, largest = (0 if number is None else number.item() for number in (most, overlap))
        corners = _corners(boxes, self.center_point_box)
        found = []
        for batch, label in np.ndindex(scores.shape[:2]):
            row = scores[batch, label]
            chosen: list[int] = []
            for box in np.argsort(-row, kind="stable").tolist():
                counts = row[box] == row[box] if least is None else row[box] > least.item()
                overlaps = (_overlap(corners[batch, box], corners[batch, other]) > largest for other in chosen)
                if len(chosen) < limit and counts and not any(overlaps):
                    chosen.append(box)
            found += [(batch, label, box) for box in chosen]
        return np.array(found, np.int64).reshape(-1, 3)


def _corners(boxes: np.ndarray, center_point_box: bool) -> np.ndarray:
    """The lower and the upper corner of each box."""
    first, second = boxes[..., :2], boxes[..., 2:]
    if center_point_box:
        half = second / 2
        first, second = first - half, first + half
    return np.concatenate([np.minimum(first, second), np.maximum(first, second)], -1)


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union; 0 if one of them is empty."""
    common = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common
    return float(common / union) if common > 0 else 0.0
