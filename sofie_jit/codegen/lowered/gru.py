"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.gru`."""

from __future__ import annotations
from collections.abc import Sequence
from dataclasses import dataclass
from sofie_jit.ir.operators.activations import Activation, Sigmoid, Tanh, functor
from sofie_jit.ir.operators.operator import Emitter
from sofie_jit.ir.operators.rnn import Recurrent
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.gru import GRU


@emits(GRU, kernels=("recurrent/gru.hxx",))
def gru(op: GRU, code: Emitter) -> str:
    units, inputs = op.sizes(code)
    dtype = code.outputs[0].dtype
    f, g = (functor(activation, dtype) for activation in op.activations)
    weights = code.packed("pack_gru", code.raw(1), units, inputs)
    bias = code.packed("pack_gru_bias", code.raw(3), units, op.linear_before_reset)
    if op.linear_before_reset:
        return code.call(
            "gru", op.recurrence(code), weights, code.packed("pack_gru", code.raw(2), units, units), bias,
            code.packed("pack_gru_candidate_bias", code.raw(3), units), f, g,
        )  # fmt: skip
    return code.call(
        "gru_reset_before", op.recurrence(code), weights,
        code.packed("pack_gru", code.raw(2), units, units, 0, 2),
        code.packed("pack_gru", code.raw(2), units, units, 2, 1), bias, f, g,
    )  # fmt: skip
