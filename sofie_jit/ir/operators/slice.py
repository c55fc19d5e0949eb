"""Slice: part of a tensor, axis by axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.operator import Shape, normalize_axis, static_dim
from sofie_jit.ir.operators.pick import Pick, PickOperator


@dataclass(kw_only=True)
class Slice(PickOperator):
    """``x[starts[0]:ends[0]:steps[0], ...]`` along ``axes`` (by default the first ones), with numpy's rules.

    Negative starts and ends count from the end, those beyond the end are the end. Any type.
    """

    starts: Sequence[int]
    ends: Sequence[int]
    axes: Sequence[int] | None = None
    steps: Sequence[int] | None = None

    def picks(self, shape: Shape) -> list[Pick]:
        count = len(self.starts)
        axes = list(range(count)) if self.axes is None else [normalize_axis("Slice", a, len(shape)) for a in self.axes]
        steps = [1] * count if self.steps is None else list(self.steps)
        if not len(self.ends) == len(axes) == len(steps) == count or 0 in steps or len(set(axes)) < count:
            raise ShapeError(
                f"Slice: starts, ends, axes and steps must go together, with no axis twice and no step 0, got "
                f"{list(self.starts)}, {list(self.ends)}, {axes}, {steps}"
            )
        picks = [Pick(dim) for dim in shape]
        for axis, start, end, step in zip(axes, self.starts, self.ends, steps, strict=True):
            normalize_axis("Slice", axis, len(shape))
            places = range(static_dim("Slice", shape, axis))[start:end:step]
            picks[axis] = Pick(len(places), start=places.start, step=step)
        return picks
