"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.pad`."""

from __future__ import annotations
from collections.abc import Sequence
from dataclasses import dataclass
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.operator import Emitter, Shape, format_shape, literal, static_dim
from sofie_jit.ir.operators.pick import Pick, PickOperator
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.pad import Pad


@emits(Pad)
def pad(op: Pad, code: Emitter) -> str:
    return op.emit_pick(code, literal(op.value, code.outputs[0].dtype))
