"""LSTM, GRU and RNN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import counted
from sofie_jit.frontends.onnx.nodes import recurrent_steps
from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.frontends.onnx.nodes.sizes import positions
from sofie_jit.frontends.onnx.values import Value, shape_of
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import FIX_SIZES
from sofie_jit.ir.operators import activations
from sofie_jit.ir.operators.expand import Expand
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


@node("LSTM", since=7)
def lstm(
    call: OnnxCall, x: Symbol, w: Value, r: Value, b: Value | None = None, sequence_lens: Symbol | None = None,
    initial_h: Symbol | None = None, initial_c: Symbol | None = None, p: Value | None = None,
) -> tuple[Symbol, ...]:  # fmt: skip
    """A long short-term memory."""
    return _recurrent(call, LSTM, x, (w, r, b, p), sequence_lens, [initial_h, initial_c])


@node("GRU", since=7)
def gru(
    call: OnnxCall, x: Symbol, w: Value, r: Value, b: Value | None = None, sequence_lens: Symbol | None = None,
    initial_h: Symbol | None = None,
) -> tuple[Symbol, ...]:  # fmt: skip
    """A gated recurrent unit."""
    return _recurrent(call, GRU, x, (w, r, b, None), sequence_lens, [initial_h])


@node("RNN", since=7)
def rnn(
    call: OnnxCall, x: Symbol, w: Value, r: Value, b: Value | None = None, sequence_lens: Symbol | None = None,
    initial_h: Symbol | None = None,
) -> tuple[Symbol, ...]:  # fmt: skip
    """A simple recurrent network."""
    return _recurrent(call, RNN, x, (w, r, b, None), sequence_lens, [initial_h])


def _recurrent(
    call: OnnxCall,
    operator: type[Recurrent],
    x: Symbol,
    weights: tuple[Value, Value, Value | None, Value | None],
    sequence_lens: Symbol | None,
    initial: Sequence[Symbol | None],
) -> tuple[Symbol, ...]:
    """Y and the last states, for one direction or both, with the batch in the second axis or in front."""
    direction = call.text("direction", "forward")
    directions = ["forward", "reverse"] if direction == "bidirectional" else [direction]
    names = [call.node.inputs[i] if i < len(call.node.inputs) else "" for i in (1, 2, 3, 7)]
    given = [None if v is None else call.weight(v, n) for v, n in zip(weights, names, strict=True)]
    if shape_of(weights[0])[0] != len(directions):
        call.refuse(f"direction is {direction!r}, but its weights are for {shape_of(weights[0])[0]} directions")
    batch_first = call.flag("layout")
    x = x if batch_first else ops.swapaxes(x, 0, 1)
    batch, time = x.shape[:2]
    mask = None
    if sequence_lens is not None:
        if isinstance(time, int):
            steps = call.symbol(np.arange(time, dtype=sequence_lens.dtype)[np.newaxis], f"{call.name}/steps")
        else:
            steps = ops.cast(ops.expand_dims(positions(call, time), 0), sequence_lens.dtype)
        mask = ops.less(steps, ops.reshape(sequence_lens, (batch, 1)))
    states = [None if s is None else s if batch_first else ops.swapaxes(s, 0, 1) for s in initial]
    arrays = [None if s is None else ops.weight_of(s) for s in given]
    if _has_kernel(call, given, arrays):
        results = _by_kernel(call, operator, x, directions, arrays, states, mask)
    else:
        results = _by_steps(call, operator, x, directions, given, states, mask)
    joined = []
    for number, parts in enumerate(zip(*results, strict=True)):
        # Y is (batch, time, directions, units), a state (batch, directions, units)
        whole = ops.concatenate(parts, -2)
        if not batch_first:
            whole = ops.transpose(whole, (1, 2, 0, 3) if number == 0 else (1, 0, 2))
        joined.append(whole)
    return tuple(joined)


def _has_kernel(call: OnnxCall, given: Sequence[Symbol | None], arrays: Sequence[np.ndarray | None]) -> bool:
    """Whether all weights are constants, and all options such that a kernel computes the node."""
    names = [str(name).lower() for name in call.texts("activations") or []]
    peephole = arrays[3]
    return (
        all(symbol is None or array is not None for symbol, array in zip(given, arrays, strict=True))
        and not (peephole is not None and peephole.any())
        and not call.has("clip")
        and not call.flag("input_forget")
        and all(name in ACTIVATIONS for name in names)
    )


def _by_kernel(
    call: OnnxCall, operator: type[Recurrent], x: Symbol, directions: Sequence[str],
    arrays: Sequence[np.ndarray | None], states: Sequence[Symbol | None], mask: Symbol | None,
) -> list[tuple[Symbol, ...]]:  # fmt: skip
    """The outputs of each direction."""
    functions = _activations(call, COUNTS[operator], len(directions))
    r = arrays[1]
    assert r is not None
    size, results = call.integer("hidden_size", r.shape[-1]), []
    options: dict[str, Any] = {}
    if operator is GRU:
        options["linear_before_reset"] = call.flag("linear_before_reset")
    for index, one in enumerate(directions):
        before = [None if s is None else _state(s, index) for s in states]
        given = [_weight(call, weight, index, name) for weight, name in zip(arrays[:3], "WRB", strict=True)]
        after: list[Symbol | None] = [None] * len(operator.after_states) if mask is not None else []
        inputs = [x, *given, None, *before, *after, mask]
        while inputs[-1] is None:
            inputs.pop()
        more: dict[str, Any] = {"activations": functions[index]} if functions else {}
        made = operator(hidden_size=size, direction=one, zero_output_for_mask=mask is not None, **options, **more)
        results.append(call.add_all(made, *inputs))
    return results


def _by_steps(
    call: OnnxCall, operator: type[Recurrent], x: Symbol, directions: Sequence[str], given: Sequence[Symbol | None],
    states: Sequence[Symbol | None], mask: Symbol | None,
) -> list[tuple[Symbol, ...]]:  # fmt: skip
    """The outputs of each direction, computed step by step."""
    kind, time, r = call.node.op_type, x.shape[1], given[1]
    assert r is not None
    if not isinstance(time, int) or not 0 < time * len(directions) <= recurrent_steps.MAX_STEPS:
        call.refuse(
            f"weights that are computed by the model, peepholes, clip, input_forget and rare activations need a known "
            f"number of steps up to {recurrent_steps.MAX_STEPS}; its input has shape {x.shape}",
            FIX_SIZES,
        )
    units = call.integer("hidden_size", r.shape[-1])
    functions = _functions(call, COUNTS[operator] * len(directions), kind)
    clip = call.number("clip", 0.0) or None
    flags = call.flag("input_forget"), call.flag("linear_before_reset")
    results = []
    for index, one in enumerate(directions):
        own = [None if w is None else ops.squeeze(ops.slice_along(w, 0, index, index + 1), [0]) for w in given]
        first, rest = own[0], own[1:]
        assert first is not None
        assert rest[0] is not None
        weights = recurrent_steps.Weights(first, rest[0], rest[1], rest[2])
        count = COUNTS[operator]
        options = recurrent_steps.Options(functions[index * count : (index + 1) * count], clip, *flags)
        zero = call.add(Expand(shape=(x.shape[0], units)), call.constant(np.zeros((), x.dtype), "zero"))
        before = [zero if s is None else ops.squeeze(_state(s, index), [1]) for s in states]
        results.append(recurrent_steps.direction(kind, x, weights, options, before, mask, one == "reverse"))
    return results


def _functions(call: OnnxCall, count: int, kind: str) -> list[recurrent_steps.Function]:
    """The activations of all directions."""
    default = {"LSTM": ["sigmoid", "tanh", "tanh"], "GRU": ["sigmoid", "tanh"], "RNN": ["tanh"]}[kind]
    names = [str(name).lower() for name in call.texts("activations") or default * (count // len(default))]
    if len(names) != count or any(name not in recurrent_steps.FUNCTIONS for name in names):
        call.refuse(f"its activations are {names}; expected {count} of {', '.join(recurrent_steps.FUNCTIONS)}")
    pairs = zip(names, _parameters(call, names), strict=True)
    return [recurrent_steps.FUNCTIONS[name](pair) for name, pair in pairs]


def _parameters(call: OnnxCall, names: Sequence[str]) -> list[recurrent_steps.Pair]:
    """alpha and beta of each activation: the attributes list those of the activations that have one, in order."""
    alphas, betas = iter(call.numbers("activation_alpha") or []), iter(call.numbers("activation_beta") or [])
    return [
        (
            next(alphas, None) if name in recurrent_steps.WITH_ALPHA else None,
            next(betas, None) if name in recurrent_steps.WITH_BETA else None,
        )
        for name in names
    ]


def _weight(call: OnnxCall, weight: np.ndarray | None, index: int, name: str) -> Symbol | None:
    return None if weight is None else call.constant(np.ascontiguousarray(weight[index : index + 1]), f"{name}{index}")


def _state(state: Symbol, index: int) -> Symbol:
    """The initial state of one direction as (batch, 1, units)."""
    return state if state.shape[1] == 1 else ops.slice_along(state, 1, index, index + 1)


def _activations(call: OnnxCall, count: int, directions: int) -> list[list[activations.Activation | None]]:
    """The activations of each direction, all in :data:`ACTIVATIONS`; nothing if they are the default ones."""
    given = call.texts("activations")
    if given is None:
        return []
    if len(given) != count * directions:
        call.refuse(f"it has {counted(len(given), 'activation')}; expected {count * directions}")
    names = [str(name).lower() for name in given]
    functions = [ACTIVATIONS[name](*pair) for name, pair in zip(names, _parameters(call, names), strict=True)]
    return [functions[i : i + count] for i in range(0, len(functions), count)]
