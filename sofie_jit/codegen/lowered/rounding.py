"""C++ calls of RoundTo."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call, Constant
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.rounding import RoundTo


@emits(RoundTo, kernels=("elementwise/elementwise.hxx",), in_place=(0,))
def round_to(op: RoundTo, code: Emitter) -> Call:
    """``round_to`` of all elements."""
    count = code.count(code.outputs[0].shape)
    return code.call("round_to", count, Constant(f"k::{op.to}"), code.input(0), code.output(0))
