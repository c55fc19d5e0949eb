"""C++ calls of LSTM."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call
from sofie_jit.codegen.lowered.activations import functor
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.codegen.lowered.rnn import layer_sizes, recurrence
from sofie_jit.ir.operators.lstm import LSTM


@emits(LSTM, kernels=("recurrent/lstm.hxx",))
def lstm(op: LSTM, code: Emitter) -> Call:
    """``lstm`` over all steps."""
    units, inputs = layer_sizes(op, code)
    dtype = code.outputs[0].dtype
    f, g, h = (functor(activation, dtype) for activation in op.activations)
    return code.call(
        "lstm", recurrence(op, code), code.packed("pack_lstm", code.raw(1), units, inputs),
        code.packed("pack_lstm", code.raw(2), units, units), code.packed("pack_lstm_bias", code.raw(3), units),
        f, g, h,
    )  # fmt: skip
