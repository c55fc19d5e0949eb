"""Base of Pad, Slice and Upsample: operators whose output axes each pick elements of the input's axis."""

from __future__ import annotations

from collections.abc import Sequence

from sofie_jit.ir.dims import Dim, Shape
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


@dataclass(frozen=True)
class Pick:
    """Element ``o`` of an output axis of ``size`` is element ``start + o // repeat * step`` of the input's axis."""

    size: Dim
    start: Dim = 0
    step: int = 1
    repeat: int = 1


class PickOperator(ROperator):
    """An operator that :meth:`picks` describes axis by axis; any type."""

    def picks(self, shape: Shape) -> list[Pick]:
        """One per axis of an input of ``shape``. Raises ShapeError."""
        raise NotImplementedError(f"{self.op_type}.picks")

    @property
    def fill(self) -> float:
        """The value where nothing is picked."""
        return 0

    def infer(self, x: TensorType) -> TensorType:
        return TensorType(x.dtype, tuple(pick.size for pick in self.picks(x.shape)))

    def mixes_places(self, axis: int, x: TensorType) -> bool:
        return self.picks(x.shape)[axis] != Pick(x.shape[axis])

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        return 0
