"""GRU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.ir.operators.activations import Activation, Sigmoid, Tanh, activated
from sofie_jit.ir.operators.rnn import Recurrent
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class GRU(Recurrent):
    """``H = z * H' + (1 - z) * h``; see :class:`Recurrent`.

    Gates in the order z, r, h. With ``linear_before_reset`` the reset gate multiplies the recurrent product of h
    (Keras's ``reset_after``), otherwise the state before that product. ``activations`` are f of the gates z and r, and
    g of h; None stands for the identity.

    >>> x, w, r = np.array([[[1.0], [2.0]]]), np.zeros((1, 3, 1)), np.zeros((1, 3, 1))
    >>> w[0, 2] = 4.0  # the gates z and r are 1/2
    >>> y, h = GRU(hidden_size=1, activations=[Sigmoid(), None]).evaluate(x, w, r)
    >>> print(y.ravel(), h.ravel())
    [2. 5.] [5.]
    """

    linear_before_reset: bool = False
    activations: Sequence[Activation | None] = (Sigmoid(), Tanh())

    gates = 3

    def _step(self, x: np.ndarray, states: list[np.ndarray], r: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
        gate, hidden = self.activations
        (h,) = states
        x_z, x_r, x_h = np.split(x, 3, axis=-1)
        r_z, r_r, r_h = np.split(r, 3)
        b_z, b_r, b_h = np.split(bias, 3)
        update = activated(gate, x_z + h @ r_z.T + b_z)
        reset = activated(gate, x_r + h @ r_r.T + b_r)
        product = reset * (h @ r_h.T + b_h) if self.linear_before_reset else (reset * h) @ r_h.T + b_h
        return [update * h + (1 - update) * activated(hidden, x_h + product)]
