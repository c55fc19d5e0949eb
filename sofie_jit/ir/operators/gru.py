"""GRU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sofie_jit.ir.operators.activations import Activation, Sigmoid, Tanh
from sofie_jit.ir.operators.rnn import Recurrent


@dataclass(kw_only=True)
class GRU(Recurrent):
    """Gates in the order z, r, h; see :class:`Recurrent`.

    ``linear_before_reset``: the reset gate is applied to the recurrent product of h (Keras's ``reset_after``), else to
    the state before. ``activations`` are f of the gates z and r, and g of h; None stands for the identity.
    """

    linear_before_reset: bool = False
    activations: Sequence[Activation | None] = (Sigmoid(), Tanh())

    gates = 3
