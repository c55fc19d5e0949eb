"""C++ calls of Concat."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import CPP_TYPES, Call
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.dims import normalize_axis
from sofie_jit.ir.operators.concat import Concat


@emits(Concat, kernels=("movement/concat.hxx",))
def concat(op: Concat, code: Emitter) -> Call:
    """One copy per input and row."""
    y = code.outputs[0]
    axis = normalize_axis("Concat", op.axis, y.rank)
    parts = [[code.input(i), code.count(t.shape[axis:])] for i, t in enumerate(code.inputs) if t is not None]
    joined = code.struct(f"ConcatParts<{len(parts)}, {CPP_TYPES[y.dtype]}>", parts)
    return code.call("concat", code.count(y.shape[:axis]), joined, code.output(0))
