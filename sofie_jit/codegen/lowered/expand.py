"""C++ calls of Expand."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.codegen.lowered.transpose import strided_copy
from sofie_jit.ir.operators.expand import Expand, aligned
from sofie_jit.ir.requirements import is_repeated


@emits(Expand, kernels=("movement/transpose.hxx",))
def expand(op: Expand, code: Emitter) -> Call:
    """A strided copy with stride 0 along repeated axes."""
    y = code.outputs[0]
    source = aligned(code.type_of(0).shape, y.rank)
    repeated = [is_repeated(a, b) for a, b in zip(source, y.shape, strict=True)]
    strides = [None if repeated[axis] else source[axis + 1 :] for axis in range(y.rank)]
    return strided_copy(code, list(zip(y.shape, strides, strict=True)))
