"""C++ calls of BitCast."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.bit_cast import BitCast


@emits(BitCast, kernels=("core/memory.hxx",))
def bit_cast(op: BitCast, code: Emitter) -> Call:
    """``copy_bits`` of all elements."""
    return code.call("copy_bits", code.count(code.outputs[0].shape), code.input(0), code.output(0))
