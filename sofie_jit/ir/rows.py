"""Where the rows of the batch are in a tensor: the values of ``ROperator.rows``, an operator's rule for its outputs.

``ir/track_rows.py`` applies these rules to a network. An axis may count more than rows: torch's attention makes axes of
batch times heads, and networks of graphs join the nodes of all graphs into one axis, into which indices point that a
network computes. So integers have intervals as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sofie_jit.ir.dims import BATCH, Dim, Shape, counts_rows, is_at_least, product
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


class RowsMixedError(Exception):
    """Rows of the batch depend on each other, or no rule shows that they do not."""


@dataclass(frozen=True)
class Interval:
    """Integers of a tensor: those of row b are at least ``b * stride + low`` and at most ``b * stride + high``."""

    low: Dim
    high: Dim
    stride: Dim = 0

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high, self.stride + other.stride)

    def __mul__(self, other: Interval) -> Interval | None:
        """The products with one non-negative number; None if neither interval is one."""
        for one, factor in ((self, other), (other, self)):
            if factor.low == factor.high and factor.stride == 0 and is_at_least(factor.low, 0):
                return Interval(one.low * factor.low, one.high * factor.low, one.stride * factor.low)
        return None

    def points_into_rows(self, places: Dim) -> bool:
        """Whether they are indices of an axis in which each row has ``places``, and point to those of their row."""
        return self.stride == places and is_at_least(self.low, 0) and is_at_least(places - 1 - self.high, 0)


@dataclass(frozen=True)
class Rows:
    """Place i along ``axis`` of a tensor belongs to row ``i // inner % batch``.

    ``axis`` is None if the tensor has the same elements for every row, as a weight has.
    """

    axis: int | None = None
    inner: Dim = 1
    integers: Interval | None = None
    """Where the elements lie, if that is known."""
    first: Interval | None = None
    """Where the first elements along the last axis lie, which are indices of a first axis in index tuples."""

    def moved(self, axis: int | None) -> Rows:
        """The same with another axis, without ``first``."""
        return replace(self, axis=axis, first=None)

    def behind(self, axes: int) -> Rows:
        """The same in a tensor that has this number of axes more in front."""
        return self if self.axis is None else self.moved(self.axis + axes)

    def plain(self) -> Rows:
        """The same without intervals."""
        return Rows(self.axis, self.inner)


def common_rows(rows: Sequence[Rows]) -> Rows:
    """The place of the rows in tensors whose axes correspond. Raises RowsMixedError if it is not one place."""
    places = {(known.axis, known.inner) for known in rows if known.axis is not None}
    if len(places) > 1:
        raise RowsMixedError
    return Rows(*places.pop()) if places else Rows()


def broadcast_rows(types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
    """The place of the rows in a result of the tensors' broadcast shape. Raises RowsMixedError."""
    given = [(kind.rank, known) for kind, known in zip(types, rows, strict=True) if kind is not None]
    rank = max(rank for rank, _ in given)
    return common_rows([known.behind(rank - own) for own, known in given])


def reshaped_rows(known: Rows, before: Shape, after: Shape) -> Rows:
    """The place of the rows under another shape: as many elements follow a row, or precede it, as before.

    Raises RowsMixedError if there is no such axis.
    """
    if known.axis is None:
        return known.moved(None)
    axis = next((axis for axis, size in enumerate(after) if counts_rows(size)), -1)
    inner = exact_quotient(product(known.inner, *before[known.axis + 1 :]), product(*after[axis + 1 :]))
    if inner is None:
        outer = exact_quotient(product(*before[: known.axis + 1]), BATCH * known.inner)
        part = None if outer is None else exact_quotient(outer, product(*after[:axis]))
        inner = None if part is None else exact_quotient(after[axis], BATCH * part)
    if inner is None or axis < 0:
        raise RowsMixedError
    return Rows(axis, inner, known.integers)


def exact_quotient(number: Dim, part: Dim) -> Dim | None:
    """``number / part`` if it is an integer for all sizes."""
    if part == 0:
        return None
    quotient = number // part
    return quotient if quotient * part == number else None


def repeated_rows(known: Rows, before: Shape, after: Shape) -> Rows:
    """The place of the rows in a tensor that is broadcast to a shape."""
    if known.axis is not None:
        return known.moved(known.axis + len(after) - len(before))
    counting = [axis for axis, size in enumerate(after) if counts_rows(size)]
    return replace(known, axis=counting[0], inner=after[counting[0]] // BATCH) if counting else known
