"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.pick`."""

from __future__ import annotations
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from sofie_jit.ir.operators.operator import CPP_TYPES, Dim, Emitter, ROperator, Shape, TensorType
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.pick import Pick, PickOperator


def _modulo(value: int) -> str:
    return f"std::size_t({value})" if value >= 0 else f"std::size_t(0) - std::size_t({-value})"


# NOEMIT ['PickOperator', 'kernels=("movement/pick.hxx",)']


def emit_pick(op: PickOperator, code: Emitter, fill: str) -> str:
    """The call; ``fill`` is the literal of what is written where nothing is picked."""
    x = code.inputs[0]
    assert x is not None
    picks = op.picks(x.shape)
    changed = [axis for axis, pick in enumerate(picks) if pick != Pick(x.shape[axis])] or [x.rank - 1]
    first, last = changed[0], changed[-1] + 1
    rows = [
        [code.dim(n), code.dim(pick.size), _modulo(pick.start), _modulo(pick.step), pick.repeat]
        for n, pick in zip(x.shape[first:last], picks[first:last], strict=True)
    ]
    axes = code.struct(f"PickAxes<{len(rows)}>", rows, code.count(x.shape[last:]))
    cpp = CPP_TYPES[x.dtype]
    return code.call(f"pick<{cpp}>", code.count(x.shape[:first]), axes, code.input(0), code.output(0), fill)
