"""Pad: a border around a tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import (
    Dim,
    Shape,
    bind_shape,
    bounds,
    format_shape,
    maximum,
    minimum,
    normalize_axis,
    static_dims,
)
from sofie_jit.ir.operators.pick import Pick, PickOperator
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass

MODES = ("constant", "reflect", "edge", "wrap")


@dataclass(kw_only=True)
class Pad(PickOperator):
    """A border around a tensor of any type: ``pads`` lists the sizes before each axis, then those after each axis.

    ``axes`` are the axes that ``pads`` lists, by default all of them. A negative size removes elements. The border has
    the value ``constant_value`` or, with another ``mode``, repeats the tensor as ``numpy.pad`` does. ``pads`` may be
    expressions over run-time dimensions.

    >>> Pad(pads=[2, -1], constant_value=7).evaluate(np.array([1, 2, 3]))
    array([7, 7, 1, 2])
    """

    pads: Sequence[Dim]
    constant_value: float = 0.0
    axes: Sequence[int] | None = None
    mode: str = "constant"

    def bind(self, sizes: Mapping[str, int]) -> None:
        self.pads = bind_shape(self.pads, sizes)

    def borders(self, shape: Shape) -> list[tuple[Dim, Dim]]:
        """The size of the border before and after each axis of a tensor of ``shape``. Raises ShapeError."""
        rank = len(shape)
        axes = range(rank) if self.axes is None else [normalize_axis("Pad", axis, rank) for axis in self.axes]
        if len(self.pads) != 2 * len(axes) or len(set(axes)) < len(axes):
            chosen = "" if self.axes is None else f" padded along the axes {list(self.axes)}"
            raise ShapeError(
                f"Pad: a tensor {format_shape(shape)}{chosen} needs {2 * len(axes)} pads, got {len(self.pads)}: "
                f"{list(self.pads)}"
            )
        before, after = self.pads[: len(axes)], self.pads[len(axes) :]
        found = {axis: pair for axis, *pair in zip(axes, before, after, strict=True)}
        return [(found[axis][0], found[axis][1]) if axis in found else (0, 0) for axis in range(rank)]

    @property
    def fill(self) -> float:
        """The value of the border."""
        return self.constant_value

    def picks(self, shape: Shape) -> list[Pick]:
        if self.mode not in MODES:
            raise ShapeError(f"Pad: mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        picks = []
        for axis, (before, after) in enumerate(self.borders(shape)):
            size = shape[axis]
            if before == after == 0:
                picks.append(Pick(size))
                continue
            if any(Requirement(0, "<=", left).holds is False for left in _left(size, before, after)):
                raise ShapeError(f"Pad: axis {axis} of {format_shape(shape)} cannot be cut by {-before} and {-after}")
            kept = size + minimum(before, 0) + minimum(after, 0)
            is_larger = bounds(maximum(before, after))[1] > 0
            if self.mode != "constant" and is_larger and Requirement(1, "<=", kept).holds is False:
                raise ShapeError(f"Pad: axis {axis} of {format_shape(shape)} has no elements for mode={self.mode!r}")
            picks.append(Pick(size + before + after, start=-before))
        return picks

    def requirements(self, x: TensorType) -> list[Requirement]:
        borders = zip(x.shape, self.borders(x.shape), strict=True)
        return [Requirement(0, "<=", left) for size, pair in borders if pair != (0, 0) for left in _left(size, *pair)]

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        borders = [static_dims("Pad", pair, "pads") for pair in self.borders(x.shape)]
        larger = [(max(before, 0), max(after, 0)) for before, after in borders]
        if self.mode == "constant" and borders:  # first, as more may be removed than the tensor has without the border
            x = np.pad(x, larger, constant_values=self.constant_value)
        kept = [slice(max(-before, 0), n - max(-after, 0)) for n, (before, after) in zip(x.shape, borders, strict=True)]
        x = x[tuple(kept)]
        return x if self.mode == "constant" else np.pad(x, larger, mode=self.mode)  # type: ignore[call-overload]


def _left(size: Dim, before: Dim, after: Dim) -> tuple[Dim, Dim, Dim]:
    """What a border that removes elements leaves of an axis; not negative."""
    return size + before, size + after, size + before + after
