"""C++ calls of Pad, Slice and Upsample, whose output axes each pick indices of the input's axis."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import CPP_TYPES, Call, literal, modulo
from sofie_jit.codegen.lowered.emission import emits, require
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.pick import Pick, PickOperator


@emits(PickOperator, kernels=("movement/pick.hxx",))
def pick(op: PickOperator, code: Emitter) -> Call:
    """``pick`` over the axes from the first to the last that changes."""
    if isinstance(op, Pad):
        require(op, mode="constant")
    x = code.type_of(0)
    picks = op.picks(x.shape)
    changed = [axis for axis, pick in enumerate(picks) if pick != Pick(x.shape[axis])] or [x.rank - 1]
    first, last = changed[0], changed[-1] + 1
    rows = [
        [code.dim(n), code.dim(pick.size), modulo(pick.start), modulo(pick.step), pick.repeat]
        for n, pick in zip(x.shape[first:last], picks[first:last], strict=True)
    ]
    axes = code.struct(f"PickAxes<{len(rows)}>", rows, code.count(x.shape[last:]))
    fill = literal(op.fill, x.dtype)
    return code.call(
        f"pick<{CPP_TYPES[x.dtype]}>", code.count(x.shape[:first]), axes, code.input(0), code.output(0), fill
    )
