"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.slice`."""

from __future__ import annotations
from collections.abc import Sequence
from dataclasses import dataclass
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.operator import Emitter, Shape, literal, normalize_axis, static_dim
from sofie_jit.ir.operators.pick import Pick, PickOperator
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.slice import Slice


@emits(Slice)
def slice(op: Slice, code: Emitter) -> str:
    return op.emit_pick(code, literal(0, code.outputs[0].dtype))
