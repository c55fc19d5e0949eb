"""Pad: a border of one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.operator import Shape, format_shape, static_dim
from sofie_jit.ir.operators.pick import Pick, PickOperator


@dataclass(kw_only=True)
class Pad(PickOperator):
    """``value`` around a tensor: ``pads`` lists for every axis how much before, then for every axis how much after.

    A negative number cuts off. Any type.
    """

    pads: Sequence[int]
    value: float = 0.0

    @property
    def fill(self) -> float:
        """The value of the border."""
        return self.value

    def picks(self, shape: Shape) -> list[Pick]:
        rank = len(shape)
        if len(self.pads) != 2 * rank:
            raise ShapeError(
                f"Pad: a tensor {format_shape(shape)} needs {2 * rank} pads, got {len(self.pads)}: {list(self.pads)}"
            )
        picks = []
        for axis, (before, after) in enumerate(zip(self.pads[:rank], self.pads[rank:], strict=True)):
            if not before and not after:
                picks.append(Pick(shape[axis]))
                continue
            size = static_dim("Pad", shape, axis)
            if min(size + before, size + after, size + before + after) < 0:
                raise ShapeError(f"Pad: axis {axis} of {format_shape(shape)} cannot be cut by {-before} and {-after}")
            picks.append(Pick(size + before + after, start=-before))
        return picks
