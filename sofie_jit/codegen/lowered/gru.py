"""C++ calls of GRU."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call
from sofie_jit.codegen.lowered.activations import functor
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.codegen.lowered.rnn import layer_sizes, recurrence
from sofie_jit.ir.operators.gru import GRU


@emits(GRU, kernels=("recurrent/gru.hxx",))
def gru(op: GRU, code: Emitter) -> Call:
    """``gru`` over all steps, or ``gru_reset_before``, which applies the reset gate before the matrix product."""
    units, inputs = layer_sizes(op, code)
    dtype = code.outputs[0].dtype
    f, g = (functor(activation, dtype) for activation in op.activations)
    weights = code.packed("pack_gru", code.raw(1), units, inputs)
    bias = code.packed("pack_gru_bias", code.raw(3), units, op.linear_before_reset)
    if op.linear_before_reset:
        return code.call(
            "gru", recurrence(op, code), weights, code.packed("pack_gru", code.raw(2), units, units), bias,
            code.packed("pack_gru_candidate_bias", code.raw(3), units), f, g,
        )  # fmt: skip
    return code.call(
        "gru_reset_before", recurrence(op, code), weights,
        code.packed("pack_gru", code.raw(2), units, units, 0, 2),
        code.packed("pack_gru", code.raw(2), units, units, 2, 1), bias, f, g,
    )  # fmt: skip
