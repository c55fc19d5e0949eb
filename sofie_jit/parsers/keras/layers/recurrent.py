"""Recurrent layers: LSTM, GRU, SimpleRNN, their cuDNN variants of Keras 2, and Bidirectional.

Keras's weights are (inputs, gates * units), the gates side by side; ONNX's are (1, gates * units, inputs), with other
gates first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit import ops
from sofie_jit.builder import Symbol
from sofie_jit.operators.concat import Concat
from sofie_jit.operators.elementwise import Add, Mean, Mul
from sofie_jit.operators.gather import Gather
from sofie_jit.operators.gru import GRU
from sofie_jit.operators.lstm import LSTM
from sofie_jit.operators.operator import ROperator
from sofie_jit.operators.reshape import Reshape
from sofie_jit.operators.rnn import RNN, Recurrent
from sofie_jit.parsers.keras.activation import functor
from sofie_jit.parsers.keras.layers.registry import LayerCall, WeightNames, layer, sublayer_weights

LSTM_GATES = (0, 3, 1, 2)
"""Where ONNX's gates i, o, f, c stand among Keras's i, f, c, o."""
GRU_GATES = (0, 1, 2)
SIMPLE_GATES = (0,)

States = Symbol | Sequence[Symbol] | None


def cell_weights(config: Mapping[str, Any]) -> WeightNames:
    """Names of the weights of a layer with one of the built-in cells."""
    return ("cell/kernel", "cell/recurrent_kernel", *(("cell/bias",) if config["use_bias"] else ()))


@layer("LSTM", weights=cell_weights)
def lstm(
    call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None, flip: bool = False
) -> Any:
    """Long short-term memory over a sequence."""
    gate, cell = functor(call, call.config["recurrent_activation"]), functor(call, call.config["activation"])
    call.config.ignore("unit_forget_bias")
    operator = LSTM(hidden_size=call.config["units"], activations=(gate, cell, cell))
    weights = _weights(call, x, operator.hidden_size, LSTM_GATES, (4 * operator.hidden_size,))
    return _recurrent(call, operator, x, weights, initial_state, mask, flip)


@layer("GRU", weights=cell_weights)
def gru(
    call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None, flip: bool = False
) -> Any:
    """Gated recurrent units over a sequence; with ``reset_after`` there are two biases."""
    gate, hidden = functor(call, call.config["recurrent_activation"]), functor(call, call.config["activation"])
    units, reset_after = call.config["units"], bool(call.config["reset_after"])
    operator = GRU(hidden_size=units, activations=(gate, hidden), linear_before_reset=reset_after)
    weights = _weights(call, x, units, GRU_GATES, (2, 3 * units) if reset_after else (3 * units,))
    return _recurrent(call, operator, x, weights, initial_state, mask, flip)


@layer("SimpleRNN", weights=cell_weights)
def simple_rnn(
    call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None, flip: bool = False
) -> Any:
    """``h = activation(x W + h R + b)`` over a sequence."""
    operator = RNN(hidden_size=call.config["units"], activations=(functor(call, call.config["activation"]),))
    weights = _weights(call, x, operator.hidden_size, SIMPLE_GATES, (operator.hidden_size,))
    return _recurrent(call, operator, x, weights, initial_state, mask, flip)


@layer("CuDNNLSTM", weights=("kernel", "recurrent_kernel", "bias"))
def cudnn_lstm(call: LayerCall, x: Symbol, initial_state: States = None, flip: bool = False) -> Any:
    """LSTM with the weights as cuDNN had them: every gate transposed, and two biases."""
    call.config.ignore("unit_forget_bias")
    operator = LSTM(hidden_size=call.config["units"])
    weights = _cudnn_weights(call, x, operator.hidden_size, LSTM_GATES)
    return _recurrent(call, operator, x, weights, initial_state, None, flip)


@layer("CuDNNGRU", weights=("kernel", "recurrent_kernel", "bias"))
def cudnn_gru(call: LayerCall, x: Symbol, initial_state: States = None, flip: bool = False) -> Any:
    """GRU with ``reset_after`` and the weights as cuDNN had them: every gate transposed."""
    operator = GRU(hidden_size=call.config["units"], linear_before_reset=True)
    weights = _cudnn_weights(call, x, operator.hidden_size, GRU_GATES)
    return _recurrent(call, operator, x, weights, initial_state, None, flip)


def _weights(
    call: LayerCall, x: Symbol, units: int, order: Sequence[int], bias_shape: tuple[int, ...]
) -> list[Symbol | None]:
    """W, R and B of a built-in cell."""
    inputs, columns = _features(call, x), len(order) * units
    kernel = call.weight("cell/kernel", (inputs, columns))
    recurrent = call.weight("cell/recurrent_kernel", (units, columns))
    bias = call.weight("cell/bias", bias_shape) if call.config["use_bias"] else None
    return _constants(call, kernel, recurrent, bias, order)


def _cudnn_weights(call: LayerCall, x: Symbol, units: int, order: Sequence[int]) -> list[Symbol | None]:
    inputs, gates = _features(call, x), len(order)
    kernel = call.weight("kernel", (inputs, gates * units))
    recurrent = call.weight("recurrent_kernel", (units, gates * units))
    kernel = np.hstack([gate.reshape(units, inputs).T for gate in np.hsplit(kernel, gates)])
    recurrent = np.hstack([gate.T for gate in np.hsplit(recurrent, gates)])
    return _constants(call, kernel, recurrent, call.weight("bias", (2 * gates * units,)), order)


def _features(call: LayerCall, x: Symbol) -> int:
    if x.rank != 3 or not isinstance(x.shape[2], int):
        call.refuse(f"its input has shape {x.shape}; it needs (batch, time, features), the features of known number")
    return x.shape[2]


def _constants(
    call: LayerCall, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray | None, order: Sequence[int]
) -> list[Symbol | None]:
    """W, R and B as ONNX has them; a bias of one row has no recurrent part."""

    def gates(columns: np.ndarray) -> np.ndarray:
        parts = np.split(columns, len(order), axis=-1)
        return np.concatenate([parts[gate].T for gate in order])[np.newaxis]

    symbols: list[Symbol | None] = [call.constant(gates(kernel), "W"), call.constant(gates(recurrent), "R")]
    if bias is None:
        return [*symbols, None]
    rows = bias.reshape(-1, kernel.shape[1])
    both = [gates(row) for row in rows] if len(rows) == 2 else [gates(rows[0]), np.zeros_like(rows)]
    return [*symbols, call.constant(np.concatenate(both, axis=1), "B")]


def _recurrent(
    call: LayerCall,
    operator: Recurrent,
    x: Symbol,
    weights: Sequence[Symbol | None],
    initial_state: States,
    mask: Symbol | None,
    flip: bool,
) -> Any:
    """What all recurrent layers do around their operator; ``flip`` reverses the sequence that comes out."""
    config, units, count = call.config, operator.hidden_size, len(operator.states)
    if config["stateful"]:
        call.refuse("stateful=True keeps states between calls, which is not translated; save the model without it")
    states = [initial_state] if isinstance(initial_state, Symbol) else list(initial_state or [])
    if states and len(states) != count:
        call.refuse(f"called with {len(states)} initial states; it has {count}")
    zero_masked = bool(config.get("zero_output_for_mask"))
    backwards = bool(config["go_backwards"])
    operator.direction = "reverse" if backwards else "forward"
    operator.flip_output = backwards != flip
    operator.zero_output_for_mask = zero_masked

    mask = None if mask is None else ops.cast(mask, "bool")
    given: list[Symbol | None] = [call.add(Reshape(shape=(0, 1, units)), state) for state in states]
    given += [None] * (count - len(states) + len(operator.after_states))
    results = call.add_all(operator, x, *weights, None, *given, mask)
    sequence = call.add(Reshape(shape=(0, 0, units)), results[0])
    last = [call.add(Reshape(shape=(0, units)), state) for state in results[1:]]
    if config["return_sequences"]:
        output = sequence
    elif mask is not None and (states or zero_masked):  # then a masked last step's output is not the state
        end = call.constant(np.array(0 if flip else -1), "last_step")
        output = call.add(Gather(axis=1), sequence, end)
    else:
        output = last[0]
    return (output, *last) if config["return_state"] else output


# -- Bidirectional -------------------------------------------------------------------------------------------------

MERGE_MODES: dict[str, Callable[[], ROperator]] = {
    "concat": lambda: Concat(axis=-1),
    "sum": Add,
    "mul": Mul,
    "ave": Mean,
}


def _halves(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The wrapped layers by attribute; without a layer of its own, backwards runs a copy of the forward one."""
    forward = config["layer"]
    opposite = {"go_backwards": not forward["config"]["go_backwards"]}
    backward = config["backward_layer"] or {**forward, "config": {**forward["config"], **opposite}}
    halves = {"forward_layer": forward, "backward_layer": backward}
    return {path: {**spec, "config": _masked_to_zero(spec["config"])} for path, spec in halves.items()}


def _masked_to_zero(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keras sets this option of what Bidirectional wraps, whatever it was."""
    return {**config, "zero_output_for_mask": config["return_sequences"]}


@layer(
    "Bidirectional",
    weights=lambda c: tuple(name for path, spec in _halves(c).items() for name in sublayer_weights(path, spec)),
)
def bidirectional(call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None) -> Any:
    """Two recurrent layers, one from each end, the outputs merged step by step."""
    calls = [call.sublayer(path, spec) for path, spec in _halves(call.config).items()]
    for half in calls:
        if half.layer.class_name not in WRAPPED or half.layer.package:
            call.refuse(f"it wraps a {half.layer.class_name}; translated are {', '.join(WRAPPED)}")
    states = [initial_state] if isinstance(initial_state, Symbol) else list(initial_state or [])
    middle = len(states) // 2
    results = [
        calls[0](x, initial_state=states[:middle] or None, mask=mask),
        calls[1](x, initial_state=states[middle:] or None, mask=mask, flip=bool(calls[1].config["return_sequences"])),
    ]
    y, y_back = (result[0] if isinstance(result, tuple) else result for result in results)
    last = [state for result in results if isinstance(result, tuple) for state in result[1:]]
    mode = call.config["merge_mode"]
    if mode is None:
        return (y, y_back, *last)
    if mode not in MERGE_MODES:
        call.refuse(f"unknown merge_mode {mode!r}; expected one of {', '.join(MERGE_MODES)}, None")
    output = call.add(MERGE_MODES[mode](), y, y_back)
    return (output, *last) if last else output


WRAPPED = ("LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU")
"""Classes that Bidirectional may wrap."""
