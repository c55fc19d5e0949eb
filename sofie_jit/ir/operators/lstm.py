"""LSTM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sofie_jit.ir.operators.activations import Activation, Sigmoid, Tanh
from sofie_jit.ir.operators.rnn import Recurrent


@dataclass(kw_only=True)
class LSTM(Recurrent):
    """Gates in the order i, o, f, c; states H and C; see :class:`Recurrent`. Peepholes (P) must be omitted.

    ``activations`` are f of the gates i, o, f, then g of c, and h of the state C; None stands for the identity.
    """

    activations: Sequence[Activation | None] = (Sigmoid(), Tanh(), Tanh())

    gates = 4
    states = ("initial_h", "initial_c")
    after_states = ("P",)
