"""LSTM."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.ir.operators.activations import Activation, Sigmoid, Tanh, activated
from sofie_jit.ir.operators.rnn import Recurrent
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class LSTM(Recurrent):
    """``C = f(..) * C' + i(..) * g(..)``, ``H = o(..) * h(C)``; see :class:`Recurrent`.

    Gates in the order i, o, f, c; states H and C. Peepholes (P) must be omitted. ``activations`` are that of the gates
    i, o and f, then g of the gate c, and h of the state C; None stands for the identity.

    >>> x, w, r = np.array([[[1.0], [2.0]]]), np.zeros((1, 4, 1)), np.zeros((1, 4, 1))
    >>> w[0, 3] = 4.0  # the gates i, o and f are 1/2
    >>> y, h, c = LSTM(hidden_size=1, activations=[Sigmoid(), None, None]).evaluate(x, w, r)
    >>> print(y.ravel(), h.ravel(), c.ravel())
    [1.  2.5] [2.5] [5.]
    """

    activations: Sequence[Activation | None] = (Sigmoid(), Tanh(), Tanh())

    gates = 4
    states = ("initial_h", "initial_c")
    after_states = ("P",)

    def _step(self, x: np.ndarray, states: list[np.ndarray], r: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
        gate, cell, hidden = self.activations
        h, c = states
        *parts, candidate = np.split(x + h @ r.T + bias, 4, axis=-1)
        i, o, f = (activated(gate, part) for part in parts)
        c = f * c + i * activated(cell, candidate)
        return [o * activated(hidden, c), c]
