"""Recurrent layers: LSTM, GRU, SimpleRNN, RNN over given cells, the cells, cuDNN's layers, and Bidirectional.

Keras's weights are (inputs, gates * units) with the gates side by side; ONNX's are (1, gates * units, inputs) with
another order of gates. Stacked cells run one after the other, each over the whole output sequence of the one before.
This is what Keras computes step by step, because a masked step is skipped by all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sofie_jit.errors import UnsupportedLayerError, counted
from sofie_jit.frontends.keras.activation import elementwise_activation
from sofie_jit.frontends.keras.graph import flatten
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import WeightNames, entries, find_builtin, find_described, layer
from sofie_jit.frontends.keras.layers.sublayers import sublayer_weights
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.frontends.keras.old_weights import from_cudnn
from sofie_jit.frontends.keras.weights import snake_case
from sofie_jit.frontends.wording import CUT, replacing
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.elementwise import Add, Mean, Mul
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.gru import GRU
from sofie_jit.ir.operators.lstm import LSTM
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.rnn import RNN, Recurrent
from sofie_jit.ir.types import is_floating
from sofie_jit.records import dataclass

LSTM_GATES = (0, 3, 1, 2)
"""The indices of ONNX's gates i, o, f, c among Keras's i, f, c, o."""
GRU_GATES = (0, 1, 2)
SIMPLE_GATES = (0,)

SEQUENCE = {"return_sequences": False, "return_state": False, "go_backwards": False, "stateful": False}
"""Defaults of all recurrent layers."""
CELL = {"activation": "tanh", "use_bias": True}
"""Defaults of all cells, and of the layers that have them built in."""
GATED = {**CELL, "recurrent_activation": "sigmoid"}
HARD_SIGMOID = {"recurrent_activation": "hard_sigmoid"}
"""The default of Keras 1 and 2."""
RENAMED = {"output_dim": "units"}

States = Any
"""A Symbol, nested lists of them, or None."""


@dataclass(frozen=True)
class ScanOptions:
    """Options for the loop of a layer over the steps of a sequence."""

    mask: Symbol | None = None
    """Steps where it is False are skipped."""
    backwards: bool = False
    """Whether it begins with the last step."""
    flipped: bool = False
    """Whether the output sequence is reversed."""
    zero_masked: bool = False
    """Whether the output of a skipped step is 0, instead of the output of the step before."""


def mask_of_sequence(call: LayerCall, inputs: Any, mask: Any, outputs: Any) -> Any:
    """An output sequence has the mask of the input sequence; the last step and the states have none."""
    return flatten(mask)[0] if call.config["return_sequences"] else None


# -- cells ---------------------------------------------------------------------------------------------------------


def _lstm(call: LayerCall, x: Symbol, prefix: str) -> tuple[Recurrent, list[Symbol | None]]:
    gate, cell = (
        elementwise_activation(call, call.config["recurrent_activation"]),
        elementwise_activation(call, call.config["activation"]),
    )
    call.config.ignore("unit_forget_bias")
    units = call.config["units"]
    operator = LSTM(hidden_size=units, activations=(gate, cell, cell))
    return operator, _weights(call, x, prefix, units, LSTM_GATES, (4 * units,))


def _gru(call: LayerCall, x: Symbol, prefix: str) -> tuple[Recurrent, list[Symbol | None]]:
    gate, hidden = (
        elementwise_activation(call, call.config["recurrent_activation"]),
        elementwise_activation(call, call.config["activation"]),
    )
    units, reset_after = call.config["units"], bool(call.config["reset_after"])
    operator = GRU(hidden_size=units, activations=(gate, hidden), linear_before_reset=reset_after)
    bias_shape = (2, 3 * units) if reset_after else (3 * units,)
    return operator, _weights(call, x, prefix, units, GRU_GATES, bias_shape)


def _simple_rnn(call: LayerCall, x: Symbol, prefix: str) -> tuple[Recurrent, list[Symbol | None]]:
    units = call.config["units"]
    operator = RNN(hidden_size=units, activations=(elementwise_activation(call, call.config["activation"]),))
    return operator, _weights(call, x, prefix, units, SIMPLE_GATES, (units,))


def _weights(
    call: LayerCall, x: Symbol, prefix: str, units: int, order: Sequence[int], bias_shape: tuple[int, ...]
) -> list[Symbol | None]:
    """ONNX's weights W, R and B of a built-in cell."""
    inputs, columns = _features(call, x), len(order) * units
    kernel = call.weight(f"{prefix}kernel", (inputs, columns))
    recurrent = call.weight(f"{prefix}recurrent_kernel", (units, columns))
    bias = call.weight(f"{prefix}bias", bias_shape) if call.config["use_bias"] else None
    return _constants(call, kernel, recurrent, bias, order)


def _features(call: LayerCall, x: Symbol) -> int:
    if x.rank != 3 or not isinstance(x.shape[2], int):
        call.refuse(f"its input has shape {x.shape}; expected (batch, time, features) with a known number of features")
    return x.shape[2]


def _constants(
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


CELLS = {"LSTMCell": _lstm, "GRUCell": _gru, "SimpleRNNCell": _simple_rnn}
STACK = "StackedRNNCells"


def _cell_weights(config: Mapping[str, Any]) -> WeightNames:
    return ("kernel", "recurrent_kernel", *(("bias",) if config["use_bias"] else ()))


@layer("SimpleRNNCell", weights=_cell_weights, mask=stops, defaults=CELL)
@layer("LSTMCell", weights=_cell_weights, mask=stops, defaults=GATED, keras_2_defaults=HARD_SIGMOID)
@layer(
    "GRUCell",
    weights=_cell_weights,
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
    y, last = _run(call, operator, sequence, weights, given, options or ScanOptions())
    return (y if options else last[0]), last


def _stack_weights(config: Mapping[str, Any]) -> WeightNames:
    """The names of the weights of all cells; those of cells that are not trained come last."""
    cells = sorted(_stacked(config), key=lambda part: part[1]["config"].get("trainable") is False)
    return tuple(name for path, spec in cells for name in _known_cell_weights(config, path, spec))


@layer(STACK, weights=_stack_weights, mask=stops)
def stacked_cells(call: LayerCall, x: Symbol, states: States, options: ScanOptions | None = None) -> Any:
    """Cells that each take the output of the one before."""
    cells, given, new = list(_stacked(call.config)), flatten(states), []
    if len(given) != len(_units(cells)):
        call.refuse(f"called with {counted(len(given), 'state')}; its cells have {len(_units(cells))}")
    for number, (path, spec) in enumerate(cells):
        count = len(_units([(path, spec)]))
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


def _known_cell_weights(config: Mapping[str, Any], path: str, spec: Mapping[str, Any]) -> WeightNames:
    entry = find_described(spec["package"], spec["class_name"])
    if entry is None or not entry.takes("options"):
        package = f"{spec['package']}>" if spec["package"] else ""
        reason = f"its cell is of class {package}{spec['class_name']}, not of {', '.join((*CELLS, STACK))}"
        raise UnsupportedLayerError(f"{reason}; {replacing('name')}, or {CUT}")
    return sublayer_weights(path, spec)


def _units(cells: Sequence[tuple[str, Mapping[str, Any]]]) -> list[int]:
    """The sizes of the states of some cells."""
    sizes: list[int] = []
    for _, spec in cells:
        config, count = spec["config"], 2 if spec["class_name"].endswith("LSTMCell") else 1
        sizes += _units(list(_stacked(config))) if spec["class_name"] == STACK else [config["units"]] * count
    return sizes


# -- layers --------------------------------------------------------------------------------------------------------


def layer_weights(config: Mapping[str, Any]) -> WeightNames:
    """The names of the weights of a layer with a built-in cell."""
    return tuple(f"cell/{name}" for name in _cell_weights(config))


@layer(
    "LSTM",
    weights=layer_weights,
    mask=mask_of_sequence,
    defaults={**SEQUENCE, **GATED},
    keras_2_defaults=HARD_SIGMOID,
    renamed=RENAMED,
)
def lstm(
    call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None, flip: bool = False
) -> Any:
    """Long short-term memory over a sequence."""
    return _recurrent(call, x, *_lstm(call, x, "cell/"), initial_state, mask, flip)


@layer(
    "GRU",
    weights=layer_weights,
    mask=mask_of_sequence,
    defaults={**SEQUENCE, **GATED, "reset_after": False},  # before Keras 2.1; Keras 3 always writes the option
    keras_2_defaults=HARD_SIGMOID,
    renamed=RENAMED,
)
def gru(
    call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None, flip: bool = False
) -> Any:
    """Gated recurrent units over a sequence; with ``reset_after`` there are two biases."""
    return _recurrent(call, x, *_gru(call, x, "cell/"), initial_state, mask, flip)


@layer(
    "SimpleRNN",
    weights=layer_weights,
    mask=mask_of_sequence,
    defaults={**SEQUENCE, **CELL},
    renamed=RENAMED,
)
def simple_rnn(
    call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None, flip: bool = False
) -> Any:
    """``h = activation(x W + h R + b)`` over a sequence."""
    return _recurrent(call, x, *_simple_rnn(call, x, "cell/"), initial_state, mask, flip)


@layer(
    "RNN",
    weights=lambda c: _known_cell_weights(c, "cell", c["cell"]),
    mask=mask_of_sequence,
    defaults=SEQUENCE,
    refuses="cells that are not Keras's",
)
def rnn(
    call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None, flip: bool = False
) -> Any:
    """One of Keras's cells, or several stacked, over a sequence."""
    spec = call.config["cell"]
    inner = call.sublayer("cell", spec)

    def run(states: Sequence[Symbol | None], options: ScanOptions) -> tuple[Symbol, list[Any]]:
        sequence, last = inner(x, states, options=options)
        return sequence, last

    _features(call, x)
    x, mask = _batch_first(call, x), _batch_first(call, mask)
    shapes = [(x.shape[0], units) for units in _units([("cell", spec)])]
    return _time_first(call, scan(call, run, shapes, initial_state, mask, flip))


@layer("CuDNNLSTM", weights=("kernel", "recurrent_kernel", "bias"), defaults=SEQUENCE)
def cudnn_lstm(call: LayerCall, x: Symbol, initial_state: States = None, flip: bool = False) -> Any:
    """LSTM with the weights in cuDNN's layout: each gate transposed, and two biases."""
    call.config.ignore("unit_forget_bias")
    operator = LSTM(hidden_size=call.config["units"])
    weights = _cudnn_weights(call, x, operator.hidden_size, LSTM_GATES)
    return _recurrent(call, x, operator, weights, initial_state, None, flip)


@layer("CuDNNGRU", weights=("kernel", "recurrent_kernel", "bias"), defaults=SEQUENCE)
def cudnn_gru(call: LayerCall, x: Symbol, initial_state: States = None, flip: bool = False) -> Any:
    """GRU with ``reset_after`` and the weights in cuDNN's layout: each gate transposed."""
    operator = GRU(hidden_size=call.config["units"], linear_before_reset=True)
    weights = _cudnn_weights(call, x, operator.hidden_size, GRU_GATES)
    return _recurrent(call, x, operator, weights, initial_state, None, flip)


def _cudnn_weights(call: LayerCall, x: Symbol, units: int, order: Sequence[int]) -> list[Symbol | None]:
    inputs, gates = _features(call, x), len(order)
    kernel = call.weight("kernel", (inputs, gates * units))
    recurrent = call.weight("recurrent_kernel", (units, gates * units))
    kernel, recurrent = from_cudnn(kernel, gates), from_cudnn(recurrent, gates)
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
    """A layer that is one operator."""
    x, mask = _batch_first(call, x), _batch_first(call, mask)
    shapes = [(x.shape[0], operator.hidden_size)] * len(operator.states)
    result = scan(
        call,
        lambda states, options: _run(call, operator, x, weights, states, options),
        shapes,
        initial_state,
        mask,
        flip,
    )
    return _time_first(call, result)


def _batch_first(call: LayerCall, x: Any) -> Any:
    """A sequence, or its mask, or None, with the batch first; with ``time_major=True`` of Keras 2, time is first."""
    return x if x is None or not call.config.get("time_major") else ops.swapaxes(x, 0, 1)


def _time_first(call: LayerCall, result: Any) -> Any:
    """The result of :func:`scan`, with time as the first axis of its sequence if ``time_major=True``."""
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
    options: ScanOptions,
) -> tuple[Symbol, list[Symbol]]:
    """Runs a built-in cell over a sequence: its outputs, and its states after the last step."""
    if not is_floating(x.dtype):
        x = ops.cast(x, call.dtype)
    units = operator.hidden_size
    operator.direction = "reverse" if options.backwards else "forward"
    operator.flip_output = options.flipped
    operator.zero_output_for_mask = options.zero_masked
    given = [None if state is None else call.add(Reshape(shape=(0, 1, units)), state) for state in states]
    unused = [None] * len(operator.after_states)
    results = call.add_all(operator, x, *weights, None, *given, *unused, options.mask)
    sequence = call.add(Reshape(shape=(0, 0, units)), results[0])
    return sequence, [call.add(Reshape(shape=(0, units)), state) for state in results[1:]]


def scan(
    call: LayerCall,
    run: Callable[[Sequence[Symbol | None], ScanOptions], tuple[Symbol, list[Any]]],
    shapes: Sequence[tuple[Dim, ...]],
    initial_state: States,
    mask: Symbol | None,
    flip: bool,
) -> Any:
    """Runs a recurrence with the options that all recurrent layers have; returns the outputs of the layer.

    ``run`` gets the initial states (None: zeros), which have ``shapes``, and returns the sequence of outputs and the
    states after the last step; for stacked cells, a list of those of each cell. ``flip`` reverses the output sequence.
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
    sequence, last = run(states, ScanOptions(mask, backwards, backwards != flip, zero_masked))
    if config["stateful"]:
        for name, state in zip(_state_names(call, shapes), flatten(last), strict=True):
            call.builder.update_state(name, state)
    if config["return_sequences"]:
        output = sequence
    elif mask is not None and (not from_zero or zero_masked):  # then the output of a masked last step is not the state
        end = call.constant(np.array(0 if flip else -1), "last_step")
        output = call.add(Gather(axis=1), sequence, end)
    else:
        output = _output_state(last)
    return (output, *last) if config["return_state"] else output


def _state_names(call: LayerCall, shapes: Sequence[Any]) -> list[str]:
    return [f"{call.name}/state{i}" for i in range(len(shapes))]


def _kept_states(call: LayerCall, shapes: Sequence[tuple[Dim, ...]], given: bool) -> list[Symbol | None]:
    """The states that the model keeps from the last call."""
    if given and call.layer.keras_major < 3:
        call.refuse(
            "stateful=True with initial states, which Keras 2 uses only as long as the states it keeps are zeros; save "
            "the model without one of them"
        )
    known = [[dim for dim in shape if isinstance(dim, int)] for shape in shapes]
    if any(len(dims) != len(shape) for dims, shape in zip(known, shapes, strict=True)):
        call.refuse(
            f"stateful=True needs a known batch size, its states have the shapes {shapes}; build the model with "
            "Input(batch_shape=(...))"
        )
    names = _state_names(call, shapes)
    return [call.builder.state(name, call.dtype, dims) for name, dims in zip(names, known, strict=True)]


def _output_state(last: Sequence[Any]) -> Symbol:
    """The state that is the output of a cell: the first; of stacked cells, that of the last cell."""
    return last[0] if isinstance(last[0], Symbol) else _output_state(last[-1])


# -- Bidirectional -------------------------------------------------------------------------------------------------

MERGE_MODES: dict[str, Callable[[], ROperator]] = {
    "concat": lambda: Concat(axis=-1),
    "sum": Add,
    "mul": Mul,
    "ave": Mean,
}


def _halves(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The wrapped layers by attribute; by default, the backward layer is a copy of the forward layer."""
    forward = config["layer"]
    name, backwards = forward["config"].get("name", "layer"), forward["config"]["go_backwards"]
    opposite = {"go_backwards": not backwards, "name": f"backward_{name}"}
    backward = config["backward_layer"] or {**forward, "config": {**forward["config"], **opposite}}
    halves = {"forward_layer": forward, "backward_layer": backward}
    return {path: {**spec, "config": _masked_to_zero(spec["config"])} for path, spec in halves.items()}


def _masked_to_zero(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keras sets this option of the layers that Bidirectional wraps."""
    return {**config, "zero_output_for_mask": config["return_sequences"]}


def _mask_of_both(call: LayerCall, inputs: Any, mask: Any, outputs: Any) -> Any:
    """As :func:`mask_of_sequence`; without merging there are two output sequences."""
    if not call.config["layer"]["config"]["return_sequences"]:
        return None
    return flatten(mask)[:1] * (2 if call.config["merge_mode"] is None else 1)


@layer(
    "Bidirectional",
    weights=lambda c: tuple(name for path, spec in _halves(c).items() for name in sublayer_weights(path, spec)),
    mask=_mask_of_both,
    defaults={"merge_mode": "concat", "backward_layer": None},
)
def bidirectional(call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None) -> Any:
    """Two recurrent layers, one from each end of the sequence; their outputs are merged step by step."""
    calls = [call.sublayer(path, spec) for path, spec in _halves(call.config).items()]
    for half in calls:
        if half.layer.package or not find_builtin(half.layer.class_name).takes("flip"):
            supported = sorted(name for name, entry in entries().items() if entry.builtin and entry.takes("flip"))
            call.refuse(f"it wraps a {half.layer.class_name}; supported are {', '.join(supported)}")
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
        call.refuse(f"merge_mode={mode!r} is not supported; expected one of {', '.join(MERGE_MODES)}, None")
    output = call.add(MERGE_MODES[mode](), y, y_back)
    return (output, *last) if last else output
