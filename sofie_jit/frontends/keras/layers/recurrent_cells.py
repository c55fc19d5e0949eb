"""LSTMCell, GRUCell, SimpleRNNCell and StackedRNNCells: one step, or all steps of a sequence.

Keras's weights are (inputs, gates * units) with the gates side by side; ONNX's are (1, gates * units, inputs) with
another order of gates. Stacked cells run one after the other, each over the whole output sequence of the one before.
This is what Keras computes step by step, because a masked step is skipped by all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sofie_jit.errors import UnsupportedLayerError, counted
from sofie_jit.frontends.keras.activation import elementwise_activation
from sofie_jit.frontends.keras.graph import flatten
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.recurrent_scan import (
    CELL,
    GATED,
    HARD_SIGMOID,
    ScanOptions,
    States,
    run_operator,
)
from sofie_jit.frontends.keras.layers.registry import WeightNames, find_described, layer
from sofie_jit.frontends.keras.layers.sublayers import sublayer_weights
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.frontends.keras.weights import snake_case
from sofie_jit.frontends.wording import CUT, replacing
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.gru import GRU
from sofie_jit.ir.operators.lstm import LSTM
from sofie_jit.ir.operators.rnn import RNN, Recurrent

LSTM_GATES = (0, 3, 1, 2)
"""The indices of ONNX's gates i, o, f, c among Keras's i, f, c, o."""

GRU_GATES = (0, 1, 2)

SIMPLE_GATES = (0,)


def lstm_operator(call: LayerCall, x: Symbol, prefix: str) -> tuple[Recurrent, list[Symbol | None]]:
    gate, cell = (
        elementwise_activation(call, call.config["recurrent_activation"]),
        elementwise_activation(call, call.config["activation"]),
    )
    call.config.ignore("unit_forget_bias")
    units = call.config["units"]
    operator = LSTM(hidden_size=units, activations=(gate, cell, cell))
    return operator, _weights(call, x, prefix, units, LSTM_GATES, (4 * units,))


def gru_operator(call: LayerCall, x: Symbol, prefix: str) -> tuple[Recurrent, list[Symbol | None]]:
    gate, hidden = (
        elementwise_activation(call, call.config["recurrent_activation"]),
        elementwise_activation(call, call.config["activation"]),
    )
    units, reset_after = call.config["units"], bool(call.config["reset_after"])
    operator = GRU(hidden_size=units, activations=(gate, hidden), linear_before_reset=reset_after)
    bias_shape = (2, 3 * units) if reset_after else (3 * units,)
    return operator, _weights(call, x, prefix, units, GRU_GATES, bias_shape)


def simple_rnn_operator(call: LayerCall, x: Symbol, prefix: str) -> tuple[Recurrent, list[Symbol | None]]:
    units = call.config["units"]
    operator = RNN(hidden_size=units, activations=(elementwise_activation(call, call.config["activation"]),))
    return operator, _weights(call, x, prefix, units, SIMPLE_GATES, (units,))


def _weights(
    call: LayerCall, x: Symbol, prefix: str, units: int, order: Sequence[int], bias_shape: tuple[int, ...]
) -> list[Symbol | None]:
    """ONNX's weights W, R and B of a built-in cell."""
    inputs, columns = features(call, x), len(order) * units
    kernel = call.weight(f"{prefix}kernel", (inputs, columns))
    recurrent = call.weight(f"{prefix}recurrent_kernel", (units, columns))
    bias = call.weight(f"{prefix}bias", bias_shape) if call.config["use_bias"] else None
    return constants_of_gates(call, kernel, recurrent, bias, order)


def features(call: LayerCall, x: Symbol) -> int:
    if x.rank != 3 or not isinstance(x.shape[2], int):
        call.refuse(f"its input has shape {x.shape}; expected (batch, time, features) with a known number of features")
    return x.shape[2]


def constants_of_gates(
    call: LayerCall, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray | None, order: Sequence[int]
) -> list[Symbol | None]:
    """ONNX's weights W, R and B; a bias of one row has no recurrent part."""

    def gates(columns: np.ndarray) -> np.ndarray:
        parts = np.split(columns, len(order), axis=-1)
        return np.concatenate([parts[gate].T for gate in order])[np.newaxis]

    symbols: list[Symbol | None] = [call.constant(gates(kernel), "W"), call.constant(gates(recurrent), "R")]
    if bias is None:
        return [*symbols, None]
    rows = bias.reshape(-1, kernel.shape[1])
    both = [gates(row) for row in rows] if len(rows) == 2 else [gates(rows[0]), np.zeros_like(rows)]
    return [*symbols, call.constant(np.concatenate(both, axis=1), "B")]


CELLS = {"LSTMCell": lstm_operator, "GRUCell": gru_operator, "SimpleRNNCell": simple_rnn_operator}

STACK = "StackedRNNCells"


def cell_weights(config: Mapping[str, Any]) -> WeightNames:
    return ("kernel", "recurrent_kernel", *(("bias",) if config["use_bias"] else ()))


@layer("SimpleRNNCell", weights=cell_weights, mask=stops, defaults=CELL)
@layer("LSTMCell", weights=cell_weights, mask=stops, defaults=GATED, keras_2_defaults=HARD_SIGMOID)
@layer(
    "GRUCell",
    weights=cell_weights,
    mask=stops,
    defaults={**GATED, "reset_after": False},
    keras_2_defaults=HARD_SIGMOID,
)
def cell(call: LayerCall, x: Symbol, states: States, options: ScanOptions | None = None) -> Any:
    """One step of LSTM, GRU or SimpleRNN: the output, and the list of new states.

    With ``options``, it runs over all steps of a sequence.
    """
    sequence = x if options else ops.expand_dims(x, 1)
    operator, weights = CELLS[call.layer.class_name](call, sequence, "")
    given = flatten(states)
    if len(given) != len(operator.states):
        call.refuse(f"called with {counted(len(given), 'state')}; it has {len(operator.states)}")
    y, last = run_operator(call, operator, sequence, weights, given, options or ScanOptions())
    return (y if options else last[0]), last


def _stack_weights(config: Mapping[str, Any]) -> WeightNames:
    """The names of the weights of all cells; those of cells that are not trained come last."""
    cells = sorted(_stacked(config), key=lambda part: part[1]["config"].get("trainable") is False)
    return tuple(name for path, spec in cells for name in known_cell_weights(config, path, spec))


@layer(STACK, weights=_stack_weights, mask=stops)
def stacked_cells(call: LayerCall, x: Symbol, states: States, options: ScanOptions | None = None) -> Any:
    """Cells that each take the output of the one before."""
    cells, given, new = list(_stacked(call.config)), flatten(states), []
    if len(given) != len(units_of(cells)):
        call.refuse(f"called with {counted(len(given), 'state')}; its cells have {len(units_of(cells))}")
    for number, (path, spec) in enumerate(cells):
        count = len(units_of([(path, spec)]))
        onward = replace(options, flipped=options.flipped and number == len(cells) - 1) if options else None
        x, after = call.sublayer(path, spec)(x, given[:count], options=onward)
        given = given[count:]
        new.append(after)
    return x, new


def _stacked(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The cells of a stack with the attribute paths that Keras saves them under."""
    seen: Counter[str] = Counter()
    for spec in config["cells"]:
        name = snake_case(spec["saved_class"])
        yield f"cells/{name}_{seen[name]}" if seen[name] else f"cells/{name}", spec
        seen[name] += 1


def known_cell_weights(config: Mapping[str, Any], path: str, spec: Mapping[str, Any]) -> WeightNames:
    entry = find_described(spec["package"], spec["class_name"])
    if entry is None or not entry.takes("options"):
        package = f"{spec['package']}>" if spec["package"] else ""
        reason = f"its cell is of class {package}{spec['class_name']}, not of {', '.join((*CELLS, STACK))}"
        raise UnsupportedLayerError(f"{reason}; {replacing('name')}, or {CUT}")
    return sublayer_weights(path, spec)


def units_of(cells: Sequence[tuple[str, Mapping[str, Any]]]) -> list[int]:
    """The sizes of the states of some cells."""
    sizes: list[int] = []
    for _, spec in cells:
        config, count = spec["config"], 2 if spec["class_name"].endswith("LSTMCell") else 1
        sizes += units_of(list(_stacked(config))) if spec["class_name"] == STACK else [config["units"]] * count
    return sizes
