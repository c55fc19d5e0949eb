"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.identity`."""

from __future__ import annotations
from sofie_jit.ir.operators.operator import Emitter, ROperator, TensorType
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.identity import Identity


@emits(Identity, kernels=("core/memory.hxx",))
def identity(op: Identity, code: Emitter) -> str:
    return code.call("copy", code.count(code.outputs[0].shape), code.input(0), code.output(0))
