"""LSTM, GRU and RNN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import counted
from sofie_jit.frontends.onnx.nodes.registry import OnnxCall, node
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators import activations
from sofie_jit.ir.operators.gru import GRU
from sofie_jit.ir.operators.lstm import LSTM
from sofie_jit.ir.operators.rnn import RNN, Recurrent

ACTIVATIONS: dict[str, Callable[[float | None, float | None], activations.Activation | None]] = {
    "sigmoid": lambda a, b: activations.Sigmoid(),
    "tanh": lambda a, b: activations.Tanh(),
    "relu": lambda a, b: activations.Relu(),
    "softsign": lambda a, b: activations.Softsign(),
    "softplus": lambda a, b: activations.Softplus(),
    "leakyrelu": lambda a, b: activations.LeakyRelu(alpha=0.01 if a is None else a),
    "thresholdedrelu": lambda a, b: activations.Threshold(threshold=1.0 if a is None else a),
    "elu": lambda a, b: activations.Elu(alpha=1.0 if a is None else a),
    "hardsigmoid": lambda a, b: activations.HardSigmoid(alpha=0.2 if a is None else a, beta=0.5 if b is None else b),
}
"""Names of activations in lower case -> the activation of the attributes activation_alpha and activation_beta."""
COUNTS = {LSTM: 3, GRU: 2, RNN: 1}
"""The number of activations."""
WITH_ALPHA, WITH_BETA = ("leakyrelu", "thresholdedrelu", "elu", "hardsigmoid"), ("hardsigmoid",)


@node("LSTM", since=7)
def lstm(
    call: OnnxCall, x: Symbol, w: np.ndarray, r: np.ndarray, b: np.ndarray | None = None,
    sequence_lens: Symbol | None = None, initial_h: Symbol | None = None, initial_c: Symbol | None = None,
    p: np.ndarray | None = None,
) -> tuple[Symbol, ...]:  # fmt: skip
    """A long short-term memory."""
    if p is not None and p.any():
        call.refuse("peepholes (P) are not supported")
    if call.flag("input_forget"):
        call.refuse("input_forget=1 is not supported")
    return _recurrent(call, LSTM, x, (w, r, b), sequence_lens, [initial_h, initial_c])


@node("GRU", since=7)
def gru(
    call: OnnxCall, x: Symbol, w: np.ndarray, r: np.ndarray, b: np.ndarray | None = None,
    sequence_lens: Symbol | None = None, initial_h: Symbol | None = None,
) -> tuple[Symbol, ...]:  # fmt: skip
    """A gated recurrent unit."""
    options = {"linear_before_reset": call.flag("linear_before_reset")}
    return _recurrent(call, GRU, x, (w, r, b), sequence_lens, [initial_h], options)


@node("RNN", since=7)
def rnn(
    call: OnnxCall, x: Symbol, w: np.ndarray, r: np.ndarray, b: np.ndarray | None = None,
    sequence_lens: Symbol | None = None, initial_h: Symbol | None = None,
) -> tuple[Symbol, ...]:  # fmt: skip
    """A simple recurrent network."""
    return _recurrent(call, RNN, x, (w, r, b), sequence_lens, [initial_h])


def _recurrent(
    call: OnnxCall,
    operator: type[Recurrent],
    x: Symbol,
    weights: tuple[np.ndarray, np.ndarray, np.ndarray | None],
    sequence_lens: Symbol | None,
    initial: Sequence[Symbol | None],
    options: dict[str, Any] | None = None,
) -> tuple[Symbol, ...]:
    """Y and the last states, for one direction or both, with the batch in the second axis or in front."""
    if call.has("clip"):
        call.refuse("clip is not supported")
    direction = call.text("direction", "forward")
    directions = ["forward", "reverse"] if direction == "bidirectional" else [direction]
    if weights[0].shape[0] != len(directions):
        call.refuse(f"direction is {direction!r}, but its weights are for {weights[0].shape[0]} directions")
    batch_first = call.flag("layout")
    x = x if batch_first else ops.swapaxes(x, 0, 1)
    batch, time = x.shape[:2]
    mask = []
    if sequence_lens is not None:
        if not isinstance(time, int):
            call.refuse("sequence_lens with an open number of steps is not supported")
        steps = np.arange(time, dtype=sequence_lens.dtype)[np.newaxis]
        mask = [ops.less(call.symbol(steps, f"{call.name}/steps"), ops.reshape(sequence_lens, (batch, 1)))]
    functions = _activations(call, COUNTS[operator], len(directions))
    size = call.integer("hidden_size", weights[1].shape[-1])
    results = []
    for index, one in enumerate(directions):
        states = [None if s is None else _state(s, index, batch_first) for s in initial]
        given = [_weight(call, weight, index, name) for weight, name in zip(weights, "WRB", strict=True)]
        after: list[Symbol | None] = [None] * len(operator.after_states) if mask else []
        inputs = [x, *given, None, *states, *after, *mask]
        while inputs[-1] is None:
            inputs.pop()
        more: dict[str, Any] = {"activations": functions[index]} if functions else {}
        made = operator(hidden_size=size, direction=one, zero_output_for_mask=bool(mask), **(options or {}), **more)
        results.append(call.add_all(made, *inputs))
    joined = []
    for number, parts in enumerate(zip(*results, strict=True)):
        # Y is (batch, time, directions, units), a state (batch, directions, units)
        whole = ops.concatenate(parts, -2)
        if not batch_first:
            whole = ops.transpose(whole, (1, 2, 0, 3) if number == 0 else (1, 0, 2))
        joined.append(whole)
    return tuple(joined)


def _weight(call: OnnxCall, weight: np.ndarray | None, index: int, name: str) -> Symbol | None:
    return None if weight is None else call.constant(np.ascontiguousarray(weight[index : index + 1]), f"{name}{index}")


def _state(state: Symbol, index: int, batch_first: bool) -> Symbol:
    """The initial state of one direction as (batch, 1, units)."""
    state = state if batch_first else ops.swapaxes(state, 0, 1)
    return state if state.shape[1] == 1 else ops.slice_along(state, 1, index, index + 1)


def _activations(call: OnnxCall, count: int, directions: int) -> list[list[activations.Activation | None]]:
    """The activations of each direction; nothing if they are the default ones."""
    names = call.texts("activations")
    alphas, betas = iter(call.numbers("activation_alpha") or []), iter(call.numbers("activation_beta") or [])
    if names is None:
        return []
    if len(names) != count * directions:
        call.refuse(f"it has {counted(len(names), 'activation')}; expected {count * directions}")
    functions = []
    for name in names:
        key = str(name).lower()
        if key not in ACTIVATIONS:
            call.refuse(f"the activation {name!r} is not supported; supported are {', '.join(ACTIVATIONS)}")
        alpha = next(alphas, None) if key in WITH_ALPHA else None
        beta = next(betas, None) if key in WITH_BETA else None
        functions.append(ACTIVATIONS[key](alpha, beta))
    return [functions[i : i + count] for i in range(0, len(functions), count)]
