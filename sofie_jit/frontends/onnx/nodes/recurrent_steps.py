"""LSTM, GRU and RNN step by step, for the forms that no kernel computes.

These are weights that are computed by the model, peepholes, coupled gates, clipping, and activations that have no
operator. Every time step becomes operators of its own, so the number of steps must be known, and is limited.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.operators import activations

Function = Callable[[Symbol], Symbol]
Pair = tuple[float | None, float | None]
"""The attributes activation_alpha and activation_beta; None if they are not given."""

MAX_STEPS = 256
"""Time steps that are translated one by one."""


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _operator(make: Callable[[float | None, float | None], activations.Activation]) -> Callable[[Pair], Function]:
    return lambda pair: lambda x: ops.activation(make(*pair), x)


FUNCTIONS: dict[str, Callable[[Pair], Function]] = {
    "sigmoid": lambda pair: ops.sigmoid,
    "tanh": lambda pair: ops.tanh,
    "relu": lambda pair: ops.relu,
    "softsign": _operator(lambda a, b: activations.Softsign()),
    "softplus": lambda pair: ops.softplus,
    "leakyrelu": _operator(lambda a, b: activations.LeakyRelu(alpha=_or(a, 0.01))),
    "thresholdedrelu": _operator(lambda a, b: activations.Threshold(threshold=_or(a, 1.0))),
    "elu": _operator(lambda a, b: activations.Elu(alpha=_or(a, 1.0))),
    "hardsigmoid": _operator(lambda a, b: activations.HardSigmoid(alpha=_or(a, 0.2), beta=_or(b, 0.5))),
    "affine": lambda pair: lambda x: ops.add(ops.multiply(x, _or(pair[0], 1.0)), _or(pair[1], 0.0)),
    "scaledtanh": lambda pair: lambda x: ops.multiply(ops.tanh(ops.multiply(x, _or(pair[1], 1.0))), _or(pair[0], 1.0)),
}
"""Names of activations in lower case -> the function for their parameters."""
WITH_ALPHA = ("leakyrelu", "thresholdedrelu", "elu", "hardsigmoid", "affine", "scaledtanh")
WITH_BETA = ("hardsigmoid", "affine", "scaledtanh")


class Weights(NamedTuple):
    """The weights of one direction; those that are missing are None."""

    w: Symbol
    """(gates * units, features)"""
    r: Symbol
    """(gates * units, units)"""
    b: Symbol | None
    """(2 * gates * units,): the bias of the inputs, then that of the states."""
    p: Symbol | None
    """(3 * units,)"""


class Options(NamedTuple):
    """Attributes of one direction."""

    functions: Sequence[Function]
    clip: float | None
    input_forget: bool
    linear_before_reset: bool


Step = Callable[[Symbol, Sequence[Symbol], Weights, Options], list[Symbol]]
"""A function of (the products of the inputs, states, weights, options): the next states."""


def _parts(x: Symbol, count: int) -> list[Symbol]:
    n = static_dim("a recurrent network", x.shape, -1) // count
    return [ops.slice_along(x, -1, i * n, (i + 1) * n) for i in range(count)]


def _clipped(x: Symbol, options: Options) -> Symbol:
    return x if options.clip is None else ops.clip(x, -options.clip, options.clip)


def _recurrent(state: Symbol, r: Symbol) -> Symbol:
    return ops.matmul(state, ops.transpose(r, (1, 0)))


def lstm_step(x: Symbol, states: Sequence[Symbol], weights: Weights, options: Options) -> list[Symbol]:
    """The gates are in the order input, output, forget, cell; peepholes in the order input, output, forget."""
    h, c = states
    f, g, activate = options.functions
    zi, zo, zf, zc = _parts(ops.add(x, _recurrent(h, weights.r)), 4)
    pi, po, pf = _parts(weights.p, 3) if weights.p is not None else (None, None, None)

    def gate(z: Symbol, peephole: Symbol | None, cell: Symbol) -> Symbol:
        return f(_clipped(z if peephole is None else ops.add(z, ops.multiply(peephole, cell)), options))

    entering = gate(zi, pi, c)
    kept = ops.subtract(1.0, entering) if options.input_forget else gate(zf, pf, c)
    cell = ops.add(ops.multiply(kept, c), ops.multiply(entering, g(_clipped(zc, options))))
    return [ops.multiply(gate(zo, po, cell), activate(cell)), cell]


def gru_step(x: Symbol, states: Sequence[Symbol], weights: Weights, options: Options) -> list[Symbol]:
    """The gates are in the order update, reset, hidden; ``x`` has the bias of the inputs only."""
    (h,) = states
    f, g = options.functions
    xz, xr, xh = _parts(x, 3)
    units = static_dim("GRU", h.shape, -1)
    rz, rr, rh = (ops.slice_along(weights.r, 0, i * units, (i + 1) * units) for i in range(3))
    bz, br, bh = _parts(_parts(weights.b, 2)[1], 3) if weights.b is not None else (None, None, None)

    def biased(z: Symbol, bias: Symbol | None) -> Symbol:
        return z if bias is None else ops.add(z, bias)

    update = f(_clipped(ops.add(xz, biased(_recurrent(h, rz), bz)), options))
    reset = f(_clipped(ops.add(xr, biased(_recurrent(h, rr), br)), options))
    if options.linear_before_reset:
        hidden = ops.multiply(reset, biased(_recurrent(h, rh), bh))
    else:
        hidden = biased(_recurrent(ops.multiply(reset, h), rh), bh)
    new = g(_clipped(ops.add(xh, hidden), options))
    return [ops.add(ops.multiply(ops.subtract(1.0, update), new), ops.multiply(update, h))]


def rnn_step(x: Symbol, states: Sequence[Symbol], weights: Weights, options: Options) -> list[Symbol]:
    """One product with the state."""
    (h,) = states
    return [options.functions[0](_clipped(ops.add(x, _recurrent(h, weights.r)), options))]


STEPS: dict[str, Step] = {"LSTM": lstm_step, "GRU": gru_step, "RNN": rnn_step}


def direction(
    kind: str, x: Symbol, weights: Weights, options: Options, states: Sequence[Symbol], mask: Symbol | None,
    reverse: bool,
) -> tuple[Symbol, ...]:  # fmt: skip
    """The outputs (batch, time, 1, units) and the last states (batch, 1, units) of one direction.

    ``x`` is (batch, time, features), the states (batch, units), the mask (batch, time): false after the end.
    """
    time = static_dim(kind, x.shape, 1)
    inputs = ops.matmul(x, ops.transpose(weights.w, (1, 0)))
    if weights.b is not None:
        of_inputs, of_states = _parts(weights.b, 2)
        inputs = ops.add(inputs, of_inputs if kind == "GRU" else ops.add(of_inputs, of_states))
    current, outputs = list(states), {}
    for step in reversed(range(time)) if reverse else range(time):
        row = ops.squeeze(ops.slice_along(inputs, 1, step, step + 1), [1])
        new = STEPS[kind](row, current, weights, options)
        y = new[0]
        if mask is not None:
            running = ops.slice_along(mask, 1, step, step + 1)
            new = [ops.where(running, a, b) for a, b in zip(new, current, strict=True)]
            y = ops.where(running, y, np.array(0, y.dtype))
        current, outputs[step] = new, y
    whole = ops.stack([outputs[step] for step in range(time)], 1)
    return ops.expand_dims(whole, 2), *(ops.expand_dims(state, 1) for state in current)
