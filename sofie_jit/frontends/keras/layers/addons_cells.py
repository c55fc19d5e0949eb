"""TensorFlow Addons' recurrent cells and its layer ESN.

They are unrolled: the network contains the operators of every step. Therefore the number of steps must be known.
Sources: https://github.com/tensorflow/addons, ``tensorflow_addons/rnn``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.activation import activation
from sofie_jit.frontends.keras.graph import flatten
from sofie_jit.frontends.keras.layers.addons import PACKAGE
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.recurrent_scan import (
    CELL,
    GATED,
    SEQUENCE,
    ScanOptions,
    States,
    mask_of_sequence,
    scan,
)
from sofie_jit.frontends.keras.layers.registry import WeightNames, layer
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.types import check_table

MAX_STEPS = 512
"""Maximum number of steps that are unrolled; compiling more takes minutes."""

Step = Callable[[LayerCall, Symbol, Sequence[Symbol]], tuple[Symbol, list[Symbol]]]
"""One step of a cell: the inputs (batch, features) and the states -> the output and the new states."""


def unrolled(
    call: LayerCall, step: Step, x: Symbol, states: Sequence[Symbol | None], options: ScanOptions
) -> tuple[Symbol, list[Symbol]]:
    """The outputs of all steps, and the states after the last; masked steps keep the states, as in Keras."""
    count, units = static_dim(call.layer.class_name, x.shape, 1), int(call.config["units"])
    check_table(call.layer.class_name, count, MAX_STEPS)
    if count > MAX_STEPS:
        call.refuse(f"its input has {count} steps; at most {MAX_STEPS} steps of this cell are supported")
    zeros = call.constant(np.zeros((1, units), call.dtype), "zeros")
    current = [zeros if state is None else state for state in states]
    output, outputs = zeros, {}
    for t in reversed(range(count)) if options.backwards else range(count):
        new, after = step(call, ops.getitem(x, (slice(None), t)), current)
        if options.mask is not None:
            keep = ops.getitem(options.mask, (slice(None), slice(t, t + 1)))
            new = ops.where(keep, new, zeros if options.zero_masked else output)
            after = [ops.where(keep, state, old) for state, old in zip(after, current, strict=True)]
        output, current, outputs[t] = new, after, new
    order = reversed(range(count)) if options.flipped else range(count)
    return ops.stack([outputs[t] for t in order], axis=1), current


def _run(call: LayerCall, step: Step, x: Symbol, states: States, options: ScanOptions | None) -> Any:
    """A cell on one step, or, with ``options``, on a whole sequence."""
    given = flatten(states)
    return step(call, x, given) if options is None else unrolled(call, step, x, given, options)


def _product(call: LayerCall, x: Symbol, name: str) -> Symbol:
    return ops.matmul(x, call.constant(call.weight(name, (x.shape[-1], None)), name))  # type: ignore[arg-type]


def _with_bias(call: LayerCall, x: Symbol) -> Symbol:
    return ops.add(x, call.constant(call.weight("bias", x.shape[-1:]), "bias")) if call.config["use_bias"] else x  # type: ignore[arg-type]


def _normalized(call: LayerCall, x: Symbol, name: str, epsilon: str, center: bool = True) -> Symbol:
    """Layer normalization by the sublayer ``name``."""
    gamma = call.constant(call.weight(f"{name}/gamma", x.shape[-1:]), "gamma")  # type: ignore[arg-type]
    beta = call.constant(call.weight(f"{name}/beta", x.shape[-1:]), "beta") if center else None  # type: ignore[arg-type]
    return ops.layer_normalization(x, gamma, beta, axis=-1, epsilon=float(call.config[epsilon]))


def _cell_weights(config: Mapping[str, Any]) -> WeightNames:
    return ("kernel", "recurrent_kernel", *(("bias",) if config["use_bias"] else ()))


def _gates(call: LayerCall, z: Symbol) -> tuple[Symbol, Symbol, Symbol, Symbol]:
    i, f, c, o = ops.split(z, 4, axis=-1)
    return i, f, c, o


# -- cells -----------------------------------------------------------------------------------------------------------


def _layer_norm_lstm(call: LayerCall, x: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
    h, c = states
    z = _normalized(call, _product(call, x, "kernel"), "kernel_norm", "norm_epsilon")
    z = ops.add(z, _normalized(call, _product(call, h, "recurrent_kernel"), "recurrent_norm", "norm_epsilon"))
    i, f, new, o = _gates(call, _with_bias(call, z))
    gate, function = call.config["recurrent_activation"], call.config["activation"]
    c = ops.add(ops.multiply(activation(call, f, gate), c),
                ops.multiply(activation(call, i, gate), activation(call, new, function)))  # fmt: skip
    c = _normalized(call, c, "state_norm", "norm_epsilon")
    h = ops.multiply(activation(call, o, gate), activation(call, c, function))
    return h, [h, c]


NORMS = tuple(f"{norm}_norm/{name}" for norm in ("kernel", "recurrent", "state") for name in ("gamma", "beta"))


@layer(
    f"{PACKAGE}>LayerNormLSTMCell",
    weights=lambda c: (*_cell_weights(c), *NORMS),
    mask=stops,
    defaults={**GATED, "norm_epsilon": 1e-3},
    builtin=False,
)
def layer_norm_lstm_cell(call: LayerCall, x: Symbol, states: States, options: ScanOptions | None = None) -> Any:
    """LSTM with layer normalization of both products and of the cell state."""
    return _run(call, _layer_norm_lstm, x, states, options)


def _layer_norm_simple_rnn(call: LayerCall, x: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
    total = ops.add(_product(call, x, "kernel"), _product(call, states[0], "recurrent_kernel"))
    y = _with_bias(call, _normalized(call, total, "layernorm", "layernorm_epsilon", center=False))
    y = activation(call, y, call.config["activation"])
    return y, [y]


@layer(
    f"{PACKAGE}>LayerNormSimpleRNNCell",
    weights=lambda c: (*_cell_weights(c), "layernorm/gamma"),
    mask=stops,
    defaults={**CELL, "layernorm_epsilon": 1e-5},
    builtin=False,
)
def layer_norm_simple_rnn_cell(call: LayerCall, x: Symbol, states: States, options: ScanOptions | None = None) -> Any:
    """SimpleRNN with layer normalization of the sum of both products."""
    return _run(call, _layer_norm_simple_rnn, x, states, options)


def _peephole_lstm(call: LayerCall, x: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
    h, c = states
    z = ops.add(_product(call, x, "kernel"), _product(call, h, "recurrent_kernel"))
    i, f, new, o = _gates(call, _with_bias(call, z))

    def gate(z: Symbol, name: str, c: Symbol) -> Symbol:
        peephole = call.constant(call.weight(f"{name}_gate_peephole_weights", z.shape[-1:]), name)  # type: ignore[arg-type]
        return activation(call, ops.add(z, ops.multiply(peephole, c)), call.config["recurrent_activation"])

    function = call.config["activation"]
    c = ops.add(ops.multiply(gate(f, "forget", c), c),
                ops.multiply(gate(i, "input", c), activation(call, new, function)))  # fmt: skip
    h = ops.multiply(gate(o, "output", c), activation(call, c, function))
    return h, [h, c]


@layer(
    f"{PACKAGE}>PeepholeLSTMCell",
    weights=lambda c: (*_cell_weights(c), *(f"{g}_gate_peephole_weights" for g in ("input", "forget", "output"))),
    mask=stops,
    defaults=GATED,
    builtin=False,
)
def peephole_lstm_cell(call: LayerCall, x: Symbol, states: States, options: ScanOptions | None = None) -> Any:
    """LSTM whose gates also see the cell state."""
    return _run(call, _peephole_lstm, x, states, options)


def _echo_state(call: LayerCall, x: Symbol, states: Sequence[Symbol]) -> tuple[Symbol, list[Symbol]]:
    total = ops.add(_product(call, x, "kernel"), _product(call, states[0], "recurrent_kernel"))
    y, leaky = activation(call, _with_bias(call, total), call.config["activation"]), float(call.config["leaky"])
    if leaky != 1:
        y = ops.add(ops.multiply(states[0], 1 - leaky), ops.multiply(y, leaky))
    return y, [y]


ECHO = {**CELL, "leaky": 1}


def _echo_weights(config: Mapping[str, Any], prefix: str = "") -> WeightNames:
    names = ("recurrent_kernel", "kernel", *(("bias",) if config["use_bias"] else ()))
    return tuple(prefix + name for name in names)


@layer(f"{PACKAGE}>ESNCell", weights=_echo_weights, mask=stops, defaults=ECHO, builtin=False)
def echo_state_cell(call: LayerCall, x: Symbol, states: States, options: ScanOptions | None = None) -> Any:
    """A cell of an echo state network: fixed random weights, and a leaky state."""
    call.config.ignore("connectivity", "spectral_radius", "use_norm2")
    return _run(call, _echo_state, x, states, options)


@layer(
    f"{PACKAGE}>ESN", weights=_echo_weights, mask=mask_of_sequence, defaults={**SEQUENCE, **ECHO}, builtin=False
)  # fmt: skip
def echo_state_network(
    call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None, flip: bool = False
) -> Any:
    """An echo state network over a sequence."""
    call.config.ignore("connectivity", "spectral_radius", "use_norm2")
    return scan(
        call,
        lambda states, options: unrolled(call, _echo_state, x, states, options),
        [(x.shape[0], int(call.config["units"]))],
        initial_state,
        mask,
        flip,
    )
