"""C++ calls of Identity."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.identity import Identity


@emits(Identity, kernels=("core/memory.hxx",))
def identity(op: Identity, code: Emitter) -> Call:
    """``copy`` of all elements."""
    return code.call("copy", code.count(code.outputs[0].shape), code.input(0), code.output(0))
