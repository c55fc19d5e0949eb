"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.lstm`."""

from __future__ import annotations
from collections.abc import Sequence
from dataclasses import dataclass
from sofie_jit.ir.operators.activations import Activation, Sigmoid, Tanh, functor
from sofie_jit.ir.operators.operator import Emitter
from sofie_jit.ir.operators.rnn import Recurrent
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.lstm import LSTM


@emits(LSTM, kernels=("recurrent/lstm.hxx",))
def lstm(op: LSTM, code: Emitter) -> str:
    units, inputs = op.sizes(code)
    dtype = code.outputs[0].dtype
    f, g, h = (functor(activation, dtype) for activation in op.activations)
    return code.call(
        "lstm", op.recurrence(code), code.packed("pack_lstm", code.raw(1), units, inputs),
        code.packed("pack_lstm", code.raw(2), units, units), code.packed("pack_lstm_bias", code.raw(3), units),
        f, g, h,
    )  # fmt: skip
