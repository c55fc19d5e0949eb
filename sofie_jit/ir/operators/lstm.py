"""LSTM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sofie_jit.ir.operators.activations import Activation, Sigmoid, Tanh, functor
from sofie_jit.ir.operators.operator import Emitter
from sofie_jit.ir.operators.rnn import Recurrent


@dataclass(kw_only=True)
class LSTM(Recurrent):
    """Gates in the order i, o, f, c; states H and C; see :class:`Recurrent`. Peepholes (P) must be omitted.

    ``activations`` are f of the gates i, o, f, then g of c, and h of the state C; None stands for the identity.
    """

    activations: Sequence[Activation | None] = (Sigmoid(), Tanh(), Tanh())

    kernels = ("recurrent/lstm.hxx",)
    gates = 4
    states = ("initial_h", "initial_c")
    after_states = ("P",)

    def emit(self, code: Emitter) -> str:
        units, inputs = self.sizes(code)
        dtype = code.outputs[0].dtype
        f, g, h = (functor(activation, dtype) for activation in self.activations)
        return code.call(
            "lstm", self.recurrence(code), code.packed("pack_lstm", code.raw(1), units, inputs),
            code.packed("pack_lstm", code.raw(2), units, units), code.packed("pack_lstm_bias", code.raw(3), units),
            f, g, h,
        )  # fmt: skip
