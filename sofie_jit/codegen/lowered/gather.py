"""C++ calls of Gather."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.dims import normalize_axis
from sofie_jit.ir.operators.gather import Gather


@emits(Gather, kernels=("movement/gather.hxx",))
def gather(op: Gather, code: Emitter) -> Call:
    """One copy per index; fails for an index out of range."""
    data, indices = code.type_of(0), code.type_of(1)
    axis = normalize_axis("Gather", op.axis, data.rank)
    return code.checked_call(
        "gather", code.count(data.shape[:axis]), code.dim(data.shape[axis]), code.count(data.shape[axis + 1 :]),
        code.count(indices.shape), code.input(0), code.input(1), code.output(0),
        failure="an index lies outside the table it points into",
    )  # fmt: skip
