"""GRU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sofie_jit.ir.operators.activations import Activation, Sigmoid, Tanh, functor
from sofie_jit.ir.operators.operator import Emitter
from sofie_jit.ir.operators.rnn import Recurrent


@dataclass(kw_only=True)
class GRU(Recurrent):
    """Gates in the order z, r, h; see :class:`Recurrent`.

    ``linear_before_reset``: the reset gate is applied to the recurrent product of h (Keras's ``reset_after``), else to
    the state before. ``activations`` are f of the gates z and r, and g of h; None stands for the identity.
    """

    linear_before_reset: bool = False
    activations: Sequence[Activation | None] = (Sigmoid(), Tanh())

    kernels = ("recurrent/gru.hxx",)
    gates = 3

    def emit(self, code: Emitter) -> str:
        units, inputs = self.sizes(code)
        dtype = code.outputs[0].dtype
        f, g = (functor(activation, dtype) for activation in self.activations)
        weights = code.packed("pack_gru", code.raw(1), units, inputs)
        bias = code.packed("pack_gru_bias", code.raw(3), units, self.linear_before_reset)
        if self.linear_before_reset:
            return code.call(
                "gru", self.recurrence(code), weights, code.packed("pack_gru", code.raw(2), units, units), bias,
                code.packed("pack_gru_candidate_bias", code.raw(3), units), f, g,
            )  # fmt: skip
        return code.call(
            "gru_reset_before", self.recurrence(code), weights,
            code.packed("pack_gru", code.raw(2), units, units, 0, 2),
            code.packed("pack_gru", code.raw(2), units, units, 2, 1), bias, f, g,
        )  # fmt: skip
