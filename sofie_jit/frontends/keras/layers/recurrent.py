"""Recurrent layers: LSTM, GRU, SimpleRNN, RNN over given cells, the cells, cuDNN's layers, and Bidirectional.

Keras's weights are (inputs, gates * units), the gates side by side; ONNX's are (1, gates * units, inputs), with other
gates first. Stacked cells run one after the other, each over the whole sequence that the one before gives: a step
that is masked is skipped by all of them, so that is what Keras computes step by step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.keras.activation import functor
from sofie_jit.frontends.keras.graph import flatten
from sofie_jit.frontends.keras.layers.registry import LayerCall, WeightNames, layer, sublayer_weights
from sofie_jit.frontends.keras.weights import snake_case
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.elementwise import Add, Mean, Mul
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.gru import GRU
from sofie_jit.ir.operators.lstm import LSTM
from sofie_jit.ir.operators.operator import Dim, ROperator
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.rnn import RNN, Recurrent

LSTM_GATES = (0, 3, 1, 2)
"""Where ONNX's gates i, o, f, c stand among Keras's i, f, c, o."""
GRU_GATES = (0, 1, 2)
SIMPLE_GATES = (0,)

States = Any
"""A Symbol, nested lists of them, or None."""


@dataclass(frozen=True)
class Walk:
    """How a layer goes through time; ``flipped`` means that its sequence comes out in the reverse order."""

    mask: Symbol | None = None
    backwards: bool = False
    flipped: bool = False
    zero_masked: bool = False


# -- cells ---------------------------------------------------------------------------------------------------------


def _lstm(call: LayerCall, x: Symbol, prefix: str) -> tuple[Recurrent, list[Symbol | None]]:
    gate, cell = functor(call, call.config["recurrent_activation"]), functor(call, call.config["activation"])
    call.config.ignore("unit_forget_bias")
    units = call.config["units"]
    operator = LSTM(hidden_size=units, activations=(gate, cell, cell))
    return operator, _weights(call, x, prefix, units, LSTM_GATES, (4 * units,))


def _gru(call: LayerCall, x: Symbol, prefix: str) -> tuple[Recurrent, list[Symbol | None]]:
    gate, hidden = functor(call, call.config["recurrent_activation"]), functor(call, call.config["activation"])
    units, reset_after = call.config["units"], bool(call.config["reset_after"])
    operator = GRU(hidden_size=units, activations=(gate, hidden), linear_before_reset=reset_after)
    bias_shape = (2, 3 * units) if reset_after else (3 * units,)
    return operator, _weights(call, x, prefix, units, GRU_GATES, bias_shape)


def _simple_rnn(call: LayerCall, x: Symbol, prefix: str) -> tuple[Recurrent, list[Symbol | None]]:
    units = call.config["units"]
    operator = RNN(hidden_size=units, activations=(functor(call, call.config["activation"]),))
    return operator, _weights(call, x, prefix, units, SIMPLE_GATES, (units,))


def _weights(
    call: LayerCall, x: Symbol, prefix: str, units: int, order: Sequence[int], bias_shape: tuple[int, ...]
) -> list[Symbol | None]:
    """W, R and B of a built-in cell."""
    inputs, columns = _features(call, x), len(order) * units
    kernel = call.weight(f"{prefix}kernel", (inputs, columns))
    recurrent = call.weight(f"{prefix}recurrent_kernel", (units, columns))
    bias = call.weight(f"{prefix}bias", bias_shape) if call.config["use_bias"] else None
    return _constants(call, kernel, recurrent, bias, order)


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


CELLS = {"LSTMCell": _lstm, "GRUCell": _gru, "SimpleRNNCell": _simple_rnn}
STACK = "StackedRNNCells"


def _cell_weights(config: Mapping[str, Any]) -> WeightNames:
    return ("kernel", "recurrent_kernel", *(("bias",) if config["use_bias"] else ()))


@layer("LSTMCell", "GRUCell", "SimpleRNNCell", weights=_cell_weights)
def cell(call: LayerCall, x: Symbol, states: States, walk: Walk | None = None) -> Any:
    """One step of LSTM, GRU or SimpleRNN: the output, and the list of new states.

    With ``walk``, all steps of a sequence.
    """
    sequence = x if walk else ops.expand_dims(x, 1)
    operator, weights = CELLS[call.layer.class_name](call, sequence, "")
    given = flatten(states)
    if len(given) != len(operator.states):
        call.refuse(f"called with {len(given)} states; it has {len(operator.states)}")
    y, last = _run(call, operator, sequence, weights, given, walk or Walk())
    return (y if walk else last[0]), last


def _stack_weights(config: Mapping[str, Any]) -> WeightNames:
    """Names of all cells' weights, those of cells that are not trained at the end."""
    cells = sorted(_stacked(config), key=lambda part: part[1]["config"].get("trainable") is False)
    return tuple(name for path, spec in cells for name in _known_cell_weights(config, path, spec))


@layer(STACK, weights=_stack_weights)
def stacked_cells(call: LayerCall, x: Symbol, states: States, walk: Walk | None = None) -> Any:
    """Cells of which each takes the output of the one before."""
    cells, given, new = list(_stacked(call.config)), flatten(states), []
    if len(given) != len(_units(cells)):
        call.refuse(f"called with {len(given)} states; its cells have {len(_units(cells))}")
    for number, (path, spec) in enumerate(cells):
        count = len(_units([(path, spec)]))
        onward = replace(walk, flipped=walk.flipped and number == len(cells) - 1) if walk else None
        x, after = call.sublayer(path, spec)(x, given[:count], walk=onward)
        given = given[count:]
        new.append(after)
    return x, new


def _stacked(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The cells of a stack, by the attribute paths that Keras saves them under."""
    seen: Counter[str] = Counter()
    for spec in config["cells"]:
        name = snake_case(spec["saved_class"])
        yield f"cells/{name}_{seen[name]}" if seen[name] else f"cells/{name}", spec
        seen[name] += 1


def _known_cell_weights(config: Mapping[str, Any], path: str, spec: Mapping[str, Any]) -> WeightNames:
    if spec["package"] or spec["class_name"] not in (*CELLS, STACK):
        package = f"{spec['package']}>" if spec["package"] else ""
        raise UnsupportedLayerError(
            f"{config.get('name')}: its cell is of class {package}{spec['class_name']}; translated are "
            f"{', '.join((*CELLS, STACK))}. Give a function for the layer, load(..., replace={{name: function}}), or "
            "cut the model before it with outputs="
        )
    return sublayer_weights(path, spec)


def _units(cells: Sequence[tuple[str, Mapping[str, Any]]]) -> list[int]:
    """The size of every state of some cells."""
    sizes: list[int] = []
    for _, spec in cells:
        config, count = spec["config"], 2 if spec["class_name"] == "LSTMCell" else 1
        sizes += _units(list(_stacked(config))) if spec["class_name"] == STACK else [config["units"]] * count
    return sizes


# -- layers --------------------------------------------------------------------------------------------------------


def layer_weights(config: Mapping[str, Any]) -> WeightNames:
    """Names of the weights of a layer with a cell of its own."""
    return tuple(f"cell/{name}" for name in _cell_weights(config))


@layer("LSTM", weights=layer_weights)
def lstm(
    call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None, flip: bool = False
) -> Any:
    """Long short-term memory over a sequence."""
    return _recurrent(call, x, *_lstm(call, x, "cell/"), initial_state, mask, flip)


@layer("GRU", weights=layer_weights)
def gru(
    call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None, flip: bool = False
) -> Any:
    """Gated recurrent units over a sequence; with ``reset_after`` there are two biases."""
    return _recurrent(call, x, *_gru(call, x, "cell/"), initial_state, mask, flip)


@layer("SimpleRNN", weights=layer_weights)
def simple_rnn(
    call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None, flip: bool = False
) -> Any:
    """``h = activation(x W + h R + b)`` over a sequence."""
    return _recurrent(call, x, *_simple_rnn(call, x, "cell/"), initial_state, mask, flip)


@layer("RNN", weights=lambda c: _known_cell_weights(c, "cell", c["cell"]))
def rnn(
    call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None, flip: bool = False
) -> Any:
    """A cell, or several stacked, over a sequence; the cells are those of Keras."""
    spec = call.config["cell"]
    inner = call.sublayer("cell", spec)

    def run(states: Sequence[Symbol | None], walk: Walk) -> tuple[Symbol, list[Any]]:
        sequence, last = inner(x, states, walk=walk)
        return sequence, last

    _features(call, x)
    x, mask = _batch_first(call, x), _batch_first(call, mask)
    shapes = [(x.shape[0], units) for units in _units([("cell", spec)])]
    return _time_first(call, through_time(call, run, shapes, initial_state, mask, flip))


@layer("CuDNNLSTM", weights=("kernel", "recurrent_kernel", "bias"))
def cudnn_lstm(call: LayerCall, x: Symbol, initial_state: States = None, flip: bool = False) -> Any:
    """LSTM with the weights as cuDNN had them: every gate transposed, and two biases."""
    call.config.ignore("unit_forget_bias")
    operator = LSTM(hidden_size=call.config["units"])
    weights = _cudnn_weights(call, x, operator.hidden_size, LSTM_GATES)
    return _recurrent(call, x, operator, weights, initial_state, None, flip)


@layer("CuDNNGRU", weights=("kernel", "recurrent_kernel", "bias"))
def cudnn_gru(call: LayerCall, x: Symbol, initial_state: States = None, flip: bool = False) -> Any:
    """GRU with ``reset_after`` and the weights as cuDNN had them: every gate transposed."""
    operator = GRU(hidden_size=call.config["units"], linear_before_reset=True)
    weights = _cudnn_weights(call, x, operator.hidden_size, GRU_GATES)
    return _recurrent(call, x, operator, weights, initial_state, None, flip)


def _cudnn_weights(call: LayerCall, x: Symbol, units: int, order: Sequence[int]) -> list[Symbol | None]:
    inputs, gates = _features(call, x), len(order)
    kernel = call.weight("kernel", (inputs, gates * units))
    recurrent = call.weight("recurrent_kernel", (units, gates * units))
    kernel = np.hstack([gate.reshape(units, inputs).T for gate in np.hsplit(kernel, gates)])
    recurrent = np.hstack([gate.T for gate in np.hsplit(recurrent, gates)])
    return _constants(call, kernel, recurrent, call.weight("bias", (2 * gates * units,)), order)


def _recurrent(
    call: LayerCall,
    x: Symbol,
    operator: Recurrent,
    weights: Sequence[Symbol | None],
    initial_state: States,
    mask: Symbol | None,
    flip: bool,
) -> Any:
    """A layer of one operator."""
    x, mask = _batch_first(call, x), _batch_first(call, mask)
    shapes = [(x.shape[0], operator.hidden_size)] * len(operator.states)
    result = through_time(
        call, lambda states, walk: _run(call, operator, x, weights, states, walk), shapes, initial_state, mask, flip
    )
    return _time_first(call, result)


def _batch_first(call: LayerCall, x: Any) -> Any:
    """A sequence, or its mask, or None, with the batch before time, which Keras 2's ``time_major=True`` has first."""
    return x if x is None or not call.config.get("time_major") else ops.swapaxes(x, 0, 1)


def _time_first(call: LayerCall, result: Any) -> Any:
    """What :func:`through_time` returns, its sequence the way ``time_major`` says."""
    if not call.config.get("time_major") or not call.config["return_sequences"]:
        return result
    sequence, *last = result if isinstance(result, tuple) else (result,)
    sequence = ops.swapaxes(sequence, 0, 1)
    return (sequence, *last) if last else sequence


def _run(
    call: LayerCall,
    operator: Recurrent,
    x: Symbol,
    weights: Sequence[Symbol | None],
    states: Sequence[Symbol | None],
    walk: Walk,
) -> tuple[Symbol, list[Symbol]]:
    """A built-in cell over a sequence: its outputs, and its states after the last step."""
    if not x.dtype.startswith("float"):
        x = ops.cast(x, call.dtype)
    units = operator.hidden_size
    operator.direction = "reverse" if walk.backwards else "forward"
    operator.flip_output = walk.flipped
    operator.zero_output_for_mask = walk.zero_masked
    given = [None if state is None else call.add(Reshape(shape=(0, 1, units)), state) for state in states]
    unused = [None] * len(operator.after_states)
    results = call.add_all(operator, x, *weights, None, *given, *unused, walk.mask)
    sequence = call.add(Reshape(shape=(0, 0, units)), results[0])
    return sequence, [call.add(Reshape(shape=(0, units)), state) for state in results[1:]]


def through_time(
    call: LayerCall,
    run: Callable[[Sequence[Symbol | None], Walk], tuple[Symbol, list[Any]]],
    shapes: Sequence[tuple[Dim, ...]],
    initial_state: States,
    mask: Symbol | None,
    flip: bool,
) -> Any:
    """What all recurrent layers do around the recurrence.

    ``run`` is given the states to begin with (None: zeros), each of which has one of ``shapes``, and returns the
    sequence of outputs and the states after the last step, for stacked cells a list of each cell's. ``flip`` reverses
    the sequence that comes out.
    """
    config = call.config
    states: list[Symbol | None] = [None] * len(shapes) if initial_state is None else flatten(initial_state)
    if len(states) != len(shapes):
        call.refuse(f"called with {len(states)} initial states; it has {len(shapes)}")
    if config["stateful"]:
        kept = _kept_states(call, shapes, given=initial_state is not None)
        states = kept if initial_state is None else states
    from_zero = states[0] is None
    zero_masked = bool(config.get("zero_output_for_mask"))
    backwards = bool(config["go_backwards"])
    mask = None if mask is None else ops.cast(mask, "bool")
    sequence, last = run(states, Walk(mask, backwards, backwards != flip, zero_masked))
    if config["stateful"]:
        for name, state in zip(_state_names(call, shapes), flatten(last), strict=True):
            call.builder.update_state(name, state)
    if config["return_sequences"]:
        output = sequence
    elif mask is not None and (not from_zero or zero_masked):  # then a masked last step's output is not the state
        end = call.constant(np.array(0 if flip else -1), "last_step")
        output = call.add(Gather(axis=1), sequence, end)
    else:
        output = _output_state(last)
    return (output, *last) if config["return_state"] else output


def _state_names(call: LayerCall, shapes: Sequence[Any]) -> list[str]:
    return [f"{call.name}/state{i}" for i in range(len(shapes))]


def _kept_states(call: LayerCall, shapes: Sequence[tuple[Dim, ...]], given: bool) -> list[Symbol | None]:
    """The states that the call before left."""
    if given and call.layer.era < 3:
        call.refuse(
            "stateful=True with initial states, which Keras 2 takes only while those it has kept are zeros; save the "
            "model without one or the other"
        )
    known = [[dim for dim in shape if isinstance(dim, int)] for shape in shapes]
    if any(len(dims) != len(shape) for dims, shape in zip(known, shapes, strict=True)):
        call.refuse(
            f"stateful=True needs a batch of known size, its states have the shapes {shapes}; build the model on "
            "Input(batch_shape=(...))"
        )
    names = _state_names(call, shapes)
    return [call.builder.state(name, call.dtype, dims) for name, dims in zip(names, known, strict=True)]


def _output_state(last: Sequence[Any]) -> Symbol:
    """The state that is a cell's output: its first; of stacked cells, that of the last."""
    return last[0] if isinstance(last[0], Symbol) else _output_state(last[-1])


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
    name, backwards = forward["config"].get("name", "layer"), forward["config"]["go_backwards"]
    opposite = {"go_backwards": not backwards, "name": f"backward_{name}"}
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
    states = [] if initial_state is None else flatten(initial_state)
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


WRAPPED = ("LSTM", "GRU", "SimpleRNN", "RNN", "CuDNNLSTM", "CuDNNGRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
"""Classes that Bidirectional may wrap."""
