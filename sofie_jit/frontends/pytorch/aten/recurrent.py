"""LSTM, GRU and RNN with layers and directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.activations import Relu, Tanh
from sofie_jit.ir.operators.gru import GRU
from sofie_jit.ir.operators.lstm import LSTM
from sofie_jit.ir.operators.rnn import RNN, Recurrent

ORDERS = {LSTM: [0, 3, 1, 2], GRU: [1, 0, 2], RNN: [0]}
"""The gates of PyTorch (i, f, g, o; r, z, n) in ONNX's order (i, o, f, c; z, r, h)."""

Cell = Callable[[str], Recurrent]
"""Makes the operator of a direction."""


@aten("lstm.input")
def lstm(
    call: AtenCall, input: Symbol, hx: list[Symbol], params: list[Symbol], has_biases: bool, num_layers: int,
    dropout: float, train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Symbol, ...]:  # fmt: skip
    """Long short-term memories, one after the other: the output, and the last states of all layers."""
    _at_inference(call, dropout, train)
    size = hx[1].shape[-1]
    if hx[0].shape[-1] != size:
        call.refuse("proj_size is not supported")
    made = _stack(
        call, lambda direction: LSTM(hidden_size=size, direction=direction), input, hx, params, has_biases,  # type: ignore[arg-type]
        num_layers, bidirectional, batch_first,
    )  # fmt: skip
    return made


@aten("gru.input")
def gru(
    call: AtenCall, input: Symbol, hx: Symbol, params: list[Symbol], has_biases: bool, num_layers: int,
    dropout: float, train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Symbol, ...]:  # fmt: skip
    """Gated recurrent units, one after the other: the output, and the last states of all layers."""
    _at_inference(call, dropout, train)
    size = hx.shape[-1]
    return _stack(
        call, lambda direction: GRU(hidden_size=size, direction=direction, linear_before_reset=True), input, [hx],  # type: ignore[arg-type]
        params, has_biases, num_layers, bidirectional, batch_first,
    )  # fmt: skip


@aten("rnn_tanh.input", "rnn_relu.input")
def rnn(
    call: AtenCall, input: Symbol, hx: Symbol, params: list[Symbol], has_biases: bool, num_layers: int,
    dropout: float, train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Symbol, ...]:  # fmt: skip
    """Simple recurrent networks, one after the other: the output, and the last states of all layers."""
    _at_inference(call, dropout, train)
    function = Tanh() if call.schema.name == "rnn_tanh" else Relu()
    size = hx.shape[-1]
    return _stack(
        call, lambda direction: RNN(hidden_size=size, direction=direction, activations=[function]), input, [hx],  # type: ignore[arg-type]
        params, has_biases, num_layers, bidirectional, batch_first,
    )  # fmt: skip


def _at_inference(call: AtenCall, dropout: float, train: bool) -> None:
    if train and dropout:
        call.refuse("it is in training mode: call model.eval() before the model is exported")


def _stack(
    call: AtenCall, cell: Cell, input: Symbol, states: Sequence[Symbol], params: Sequence[Symbol], has_biases: bool,
    num_layers: int, bidirectional: bool, batch_first: bool,
) -> tuple[Symbol, ...]:  # fmt: skip
    """The layers of a recurrent network; ``states`` are (layers * directions, batch, units)."""
    directions = ["forward", "reverse"] if bidirectional else ["forward"]
    x = input
    if x.rank == 2:  # without a batch
        x, states = ops.expand_dims(x, 0), [ops.expand_dims(state, 1) for state in states]
    elif not batch_first:
        x = ops.swapaxes(x, 0, 1)
    per_cell = 4 if has_biases else 2
    if len(params) != per_cell * len(directions) * num_layers:
        call.refuse(f"it has {len(params)} weights; expected {per_cell * len(directions) * num_layers}")
    last: list[list[Symbol]] = [[] for _ in states]
    for layer in range(num_layers):
        outputs = []
        for number, direction in enumerate(directions):
            index = layer * len(directions) + number
            weights = params[index * per_cell : (index + 1) * per_cell]
            initial = [_state(state, index) for state in states]
            y, *after = _cell(call, cell(direction), x, weights, initial, f"layer{index}")
            outputs.append(ops.reshape(y, (*y.shape[:2], y.shape[3])))
            for collected, state in zip(last, after, strict=True):
                collected.append(state)
        x = ops.concatenate(outputs, -1)
    found = [ops.swapaxes(ops.concatenate(parts, 1), 0, 1) for parts in last]
    if input.rank == 2:
        return ops.squeeze(x, 0), *(ops.squeeze(state, 1) for state in found)
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
    hint: str,
) -> tuple[Symbol, ...]:  # fmt: skip
    """One direction of a layer."""
    order = ORDERS[type(operator)]
    arrays = [call.known(weight, "params") for weight in weights]
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
    return call.add_all(operator, *inputs)


def _arranged(array: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """A weight with its gates in ONNX's order."""
    gates: Any = np.split(array, len(order))
    return np.ascontiguousarray(np.concatenate([gates[gate] for gate in order]))
