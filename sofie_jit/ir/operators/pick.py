"""Pad, Slice and Resize by repetition: operators whose output axes each pick indices of the input's axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sofie_jit.ir.operators.operator import CPP_TYPES, Dim, Emitter, ROperator, Shape, TensorType


@dataclass(frozen=True)
class Pick:
    """Element ``o`` of an output axis of ``size`` is element ``start + o // repeat * step`` of the input's."""

    size: Dim
    start: int = 0
    step: int = 1
    repeat: int = 1


class PickOperator(ROperator):
    """An operator that :meth:`picks` describes axis by axis; any type."""

    kernels: ClassVar[tuple[str, ...]] = ("movement/pick.hxx",)

    def picks(self, shape: Shape) -> list[Pick]:
        """One per axis of an input of ``shape``. Raises ShapeError."""
        raise NotImplementedError(f"{self.op_type}.picks")

    def infer(self, x: TensorType) -> TensorType:
        return TensorType(x.dtype, tuple(pick.size for pick in self.picks(x.shape)))

    def mixes_rows(self, x: TensorType) -> bool:
        return bool(x.rank) and self.picks(x.shape)[0] != Pick(x.shape[0])

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        return 0

    def emit_pick(self, code: Emitter, fill: str) -> str:
        """The call; ``fill`` is the literal of what is written where nothing is picked."""
        x = code.inputs[0]
        assert x is not None
        picks = self.picks(x.shape)
        changed = [axis for axis, pick in enumerate(picks) if pick != Pick(x.shape[axis])] or [x.rank - 1]
        first, last = changed[0], changed[-1] + 1
        rows = [
            [code.dim(n), code.dim(pick.size), _modulo(pick.start), _modulo(pick.step), pick.repeat]
            for n, pick in zip(x.shape[first:last], picks[first:last], strict=True)
        ]
        axes = code.struct(f"PickAxes<{len(rows)}>", rows, code.count(x.shape[last:]))
        cpp = CPP_TYPES[x.dtype]
        return code.call(f"pick<{cpp}>", code.count(x.shape[:first]), axes, code.input(0), code.output(0), fill)


def _modulo(value: int) -> str:
    return f"std::size_t({value})" if value >= 0 else f"std::size_t(0) - std::size_t({-value})"
