"""Slice: part of a tensor along each axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import Dim, Shape, bind_shape, ceil_div, maximum, minimum, normalize_axis, static_dim
from sofie_jit.ir.operators.pick import Pick, PickOperator
from sofie_jit.ir.rows import Rows
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class Slice(PickOperator):
    """``x[starts[0]:ends[0]:steps[0], ...]`` along ``axes`` (by default the first ones), as in numpy; any type.

    Negative starts and ends count from the end; those beyond an end of the axis stand for that end. Starts and ends may
    be expressions over run-time dimensions.

    >>> Slice(starts=[-1], ends=[-9], steps=[-2], axes=[1]).evaluate(np.array([[1, 2, 3, 4]]))
    array([[4, 2]])
    """

    starts: Sequence[Dim]
    ends: Sequence[Dim]
    axes: Sequence[int] | None = None
    steps: Sequence[int] | None = None

    def bind(self, sizes: Mapping[str, int]) -> None:
        self.starts, self.ends = bind_shape(self.starts, sizes), bind_shape(self.ends, sizes)

    def _parts(self, rank: int) -> dict[int, slice]:
        """Axis -> its part. Raises ShapeError."""
        count = len(self.starts)
        axes = list(range(count)) if self.axes is None else [normalize_axis("Slice", a, rank) for a in self.axes]
        steps = [1] * count if self.steps is None else list(self.steps)
        if not len(self.ends) == len(axes) == len(steps) == count or 0 in steps or len(set(axes)) < count:
            raise ShapeError(
                f"Slice: starts, ends, axes and steps must go together, with no axis twice and no step 0, got "
                f"{list(self.starts)}, {list(self.ends)}, {axes}, {steps}"
            )
        parts = zip(axes, self.starts, self.ends, steps, strict=True)
        return {normalize_axis("Slice", axis, rank): slice(start, end, step) for axis, start, end, step in parts}

    def picks(self, shape: Shape) -> list[Pick]:
        picks = [Pick(dim) for dim in shape]
        for axis, part in self._parts(len(shape)).items():
            if all(isinstance(number, int) for number in (shape[axis], part.start, part.stop)):
                places = range(static_dim("Slice", shape, axis))[part]
                picks[axis] = Pick(len(places), start=places.start, step=places.step)
            else:
                picks[axis] = _open_pick(shape[axis], part)
        return picks

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        return replace(self.same_rows(types, rows), integers=rows[0].integers)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        parts = self._parts(x.ndim)
        return x[tuple(parts.get(axis, slice(None)) for axis in range(x.ndim))]


BEYOND = (1 << 31) - 1
"""Starts and ends from which on files mean the end of an axis of any size."""


def _open_pick(size: Dim, part: slice) -> Pick:
    """The elements of ``part`` in an axis of ``size``, one of which is known only at run time.

    As Python's ``slice.indices``.
    """
    first, last = (0, size) if part.step > 0 else (-1, size - 1)

    def place(number: Dim) -> Dim:
        if isinstance(number, int) and abs(number) >= BEYOND:
            return last if number > 0 else first
        from_front = number + size * _is_negative(number)
        return minimum(maximum(from_front, first), last)

    start, end = place(part.start), place(part.stop)
    count = ceil_div(end - start, part.step) if part.step > 0 else ceil_div(start - end, -part.step)
    return Pick(maximum(count, 0), start=start, step=part.step)


def _is_negative(number: Dim) -> Dim:
    """1 for a negative number, else 0."""
    return minimum(maximum(-number, 0), 1)
