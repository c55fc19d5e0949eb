"""LSTM, GRU and RNN with layers and directions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.operators.activations import Relu, Tanh
from sofie_jit.ir.operators.gru import GRU
from sofie_jit.ir.operators.lstm import LSTM
from sofie_jit.ir.operators.rnn import RNN, Recurrent

ORDERS = {LSTM: [0, 3, 1, 2], GRU: [1, 0, 2], RNN: [0]}
"""The gates of PyTorch (i, f, g, o; r, z, n) in ONNX's order (i, o, f, c; z, r, h)."""

Cell = Callable[[str], Recurrent]
"""Makes the operator of a direction."""


def lstm_cells(call: AtenCall, states: Sequence[Symbol]) -> Cell:
    """The operator of a long short-term memory with given states."""
    size: Any = states[1].shape[-1]
    return lambda direction: LSTM(hidden_size=size, direction=direction)


def gru_cells(call: AtenCall, states: Sequence[Symbol]) -> Cell:
    """The operator of a gated recurrent unit with given states."""
    size: Any = states[0].shape[-1]
    return lambda direction: GRU(hidden_size=size, direction=direction, linear_before_reset=True)


def rnn_cells(call: AtenCall, states: Sequence[Symbol]) -> Cell:
    """The operator of a simple recurrent network with given states."""
    function = Tanh() if call.schema.name == "rnn_tanh" else Relu()
    size: Any = states[0].shape[-1]
    return lambda direction: RNN(hidden_size=size, direction=direction, activations=[function])


@aten("lstm.input")
def lstm(
    call: AtenCall, input: Symbol, hx: list[Symbol], params: list[Symbol], has_biases: bool, num_layers: int,
    dropout: float, train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Symbol, ...]:  # fmt: skip
    """Long short-term memories, one after the other: the output, and the last states of all layers."""
    cells = lstm_cells(call, hx)
    return stacked(call, cells, input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)


@aten("gru.input")
def gru(
    call: AtenCall, input: Symbol, hx: Symbol, params: list[Symbol], has_biases: bool, num_layers: int,
    dropout: float, train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Symbol, ...]:  # fmt: skip
    """Gated recurrent units, one after the other: the output, and the last states of all layers."""
    cells = gru_cells(call, [hx])
    return stacked(call, cells, input, [hx], params, has_biases, num_layers, dropout, train, bidirectional, batch_first)


@aten("rnn_tanh.input", "rnn_relu.input")
def rnn(
    call: AtenCall, input: Symbol, hx: Symbol, params: list[Symbol], has_biases: bool, num_layers: int,
    dropout: float, train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Symbol, ...]:  # fmt: skip
    """Simple recurrent networks, one after the other: the output, and the last states of all layers."""
    cells = rnn_cells(call, [hx])
    return stacked(call, cells, input, [hx], params, has_biases, num_layers, dropout, train, bidirectional, batch_first)


def stacked(
    call: AtenCall, cell: Cell, input: Symbol, states: Sequence[Symbol], params: Sequence[Symbol], has_biases: bool,
    num_layers: int, dropout: float, train: bool, bidirectional: bool, batch_first: bool, mask: Symbol | None = None,
) -> tuple[Symbol, ...]:  # fmt: skip
    """The layers of a recurrent network; ``states`` are (layers * directions, batch, units).

    Where ``mask`` (batch, time) is false, the states stay, and the output is 0.
    """
    if train and dropout:
        call.refuse("it is in training mode: call model.eval() before the model is exported")
    directions = ["forward", "reverse"] if bidirectional else ["forward"]
    x = input if batch_first else ops.swapaxes(input, 0, 1)
    projected = len(states) == 2 and states[0].shape[-1] != states[1].shape[-1]
    per_cell = (4 if has_biases else 2) + projected
    if len(params) != per_cell * len(directions) * num_layers:
        call.refuse(f"it has {len(params)} weights; expected {per_cell * len(directions) * num_layers}")
    last: list[list[Symbol]] = [[] for _ in states]
    for layer in range(num_layers):
        outputs = []
        for number, direction in enumerate(directions):
            index = layer * len(directions) + number
            weights = params[index * per_cell : (index + 1) * per_cell]
            initial = [_state(state, index) for state in states]
            y, *after = _cell(
                call,
                cell(direction),
                x,
                weights[: per_cell - projected],
                initial,
                f"layer{index}",
                weights[-1] if projected else None,
                mask,
            )
            outputs.append(ops.reshape(y, (*y.shape[:2], y.shape[3])))
            for collected, state in zip(last, after, strict=True):
                collected.append(state)
        x = ops.concatenate(outputs, -1)
    found = [ops.swapaxes(ops.concatenate(parts, 1), 0, 1) for parts in last]
    return x if batch_first else ops.swapaxes(x, 0, 1), *found


def _state(state: Symbol, index: int) -> Symbol | None:
    """The initial state of one direction of a layer as (batch, 1, units); None if it is zero."""
    producer = next((op for op in state.builder.rmodel.operators if state.name in op.outputs), None)
    if producer is not None and producer.op_type == "Expand":
        value = state.builder.rmodel.initialized.get(producer.inputs[0])
        if value is not None and not value.any():
            return None
    one = ops.slice_along(state, 0, index, index + 1) if state.shape[0] != 1 else state
    return ops.swapaxes(one, 0, 1)


def _cell(
    call: AtenCall, operator: Recurrent, x: Symbol, weights: Sequence[Symbol], initial: Sequence[Symbol | None],
    hint: str, projection: Symbol | None = None, mask: Symbol | None = None,
) -> tuple[Symbol, ...]:  # fmt: skip
    """One direction of a layer. With a projection, states and outputs are projected after each step."""
    order = ORDERS[type(operator)]
    arrays = [call.known(weight, "params") for weight in weights]
    if projection is not None:
        # the recurrent product of a projected state is that of the whole state with the product of both matrices
        matrix = call.known(projection, "params")
        arrays[1] = (arrays[1].astype(np.float64) @ matrix.astype(np.float64)).astype(matrix.dtype)
        if initial[0] is not None:
            initial = [_unprojected(call, initial[0], matrix), *initial[1:]]
    w, r = (
        call.constant(_arranged(array, order)[np.newaxis], f"{hint}_{name}")
        for array, name in zip(arrays, "WR", strict=False)
    )
    inputs: list[Symbol | None] = [x, w, r]
    if len(arrays) == 4:
        bias = np.concatenate([_arranged(array, order) for array in arrays[2:]])
        inputs.append(call.constant(bias[np.newaxis], f"{hint}_B"))
    if any(state is not None for state in initial):
        inputs += [None] * (5 - len(inputs))
        inputs += initial
    if mask is not None:
        operator = dataclasses.replace(operator, zero_output_for_mask=True)
        count = 5 + len(operator.states) + len(operator.after_states)
        inputs += [None] * (count - len(inputs)) + [mask]
    results = call.add_all(operator, *inputs)
    if projection is None:
        return results
    y, h, *others = results
    columns = call.constant(np.ascontiguousarray(matrix.T), f"{hint}_P")
    return ops.matmul(y, columns), ops.matmul(h, columns), *others


def _unprojected(call: AtenCall, state: Symbol, matrix: np.ndarray) -> Symbol:
    """A whole state whose projection by ``matrix`` is the given state."""
    if np.linalg.cond(matrix.astype(np.float64)) > 1e4:
        call.refuse("proj_size with a given state is not supported for a projection that is nearly singular")
    inverse = np.linalg.pinv(matrix.astype(np.float64)).T.astype(matrix.dtype)
    return ops.matmul(state, call.constant(np.ascontiguousarray(inverse), "inverse"))


def _arranged(array: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """A weight with its gates in ONNX's order."""
    gates: Any = np.split(array, len(order))
    return np.ascontiguousarray(np.concatenate([gates[gate] for gate in order]))


# -- single steps ------------------------------------------------------------------------------------------------------


def _step(
    call: AtenCall, operator: Recurrent, input: Symbol, states: Sequence[Symbol], weights: Sequence[Symbol | None]
) -> list[Symbol]:
    """The states after one step, as a sequence of one step."""
    x = ops.expand_dims(ops.reshape(input, (-1, input.shape[-1])), 1)
    initial = [ops.expand_dims(ops.reshape(state, (-1, state.shape[-1])), 1) for state in states]
    given = [weight for weight in weights if weight is not None]
    _, *after = _cell(call, operator, x, given, initial, "cell")
    return [ops.reshape(state, (*input.shape[:-1], state.shape[-1])) for state in after]


@aten("lstm_cell")
def lstm_cell(
    call: AtenCall, input: Symbol, hx: list[Symbol], w_ih: Symbol, w_hh: Symbol, b_ih: Symbol | None,
    b_hh: Symbol | None,
) -> tuple[Symbol, ...]:  # fmt: skip
    """One step of a long short-term memory."""
    operator = LSTM(hidden_size=_known_size(call, hx[0]))
    return tuple(_step(call, operator, input, hx, (w_ih, w_hh, b_ih, b_hh)))


@aten("gru_cell")
def gru_cell(
    call: AtenCall, input: Symbol, hx: Symbol, w_ih: Symbol, w_hh: Symbol, b_ih: Symbol | None, b_hh: Symbol | None
) -> Symbol:
    """One step of a gated recurrent unit."""
    operator = GRU(hidden_size=_known_size(call, hx), linear_before_reset=True)
    return _step(call, operator, input, [hx], (w_ih, w_hh, b_ih, b_hh))[0]


@aten("rnn_tanh_cell", "rnn_relu_cell")
def rnn_cell(
    call: AtenCall, input: Symbol, hx: Symbol, w_ih: Symbol, w_hh: Symbol, b_ih: Symbol | None, b_hh: Symbol | None
) -> Symbol:
    """One step of a simple recurrent network."""
    function = Tanh() if call.schema.name == "rnn_tanh_cell" else Relu()
    operator = RNN(hidden_size=_known_size(call, hx), activations=[function])
    return _step(call, operator, input, [hx], (w_ih, w_hh, b_ih, b_hh))[0]


def _known_size(call: AtenCall, state: Symbol) -> int:
    return static_dim(call.schema.name, state.shape, -1)
