"""LSTM, GRU, SimpleRNN, RNN over given cells, cuDNN's layers, and Bidirectional."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sofie_jit.frontends.keras.graph import flatten
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.recurrent_cells import (
    GRU_GATES,
    LSTM_GATES,
    cell_weights,
    constants_of_gates,
    features,
    gru_operator,
    known_cell_weights,
    lstm_operator,
    simple_rnn_operator,
    units_of,
)
from sofie_jit.frontends.keras.layers.recurrent_scan import (
    CELL,
    GATED,
    HARD_SIGMOID,
    SEQUENCE,
    ScanOptions,
    States,
    mask_of_sequence,
    run_operator,
    scan,
)
from sofie_jit.frontends.keras.layers.registry import WeightNames, entries, find_builtin, layer
from sofie_jit.frontends.keras.layers.sublayers import sublayer_weights
from sofie_jit.frontends.keras.old_weights import from_cudnn
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.elementwise import Add, Mean, Mul
from sofie_jit.ir.operators.gru import GRU
from sofie_jit.ir.operators.lstm import LSTM
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.rnn import Recurrent

RENAMED = {"output_dim": "units"}


def layer_weights(config: Mapping[str, Any]) -> WeightNames:
    """The names of the weights of a layer with a built-in cell."""
    return tuple(f"cell/{name}" for name in cell_weights(config))


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
    return _recurrent(call, x, *lstm_operator(call, x, "cell/"), initial_state, mask, flip)


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
    return _recurrent(call, x, *gru_operator(call, x, "cell/"), initial_state, mask, flip)


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
    return _recurrent(call, x, *simple_rnn_operator(call, x, "cell/"), initial_state, mask, flip)


@layer(
    "RNN",
    weights=lambda c: known_cell_weights(c, "cell", c["cell"]),
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

    features(call, x)
    x, mask = _batch_first(call, x), _batch_first(call, mask)
    shapes = [(x.shape[0], units) for units in units_of([("cell", spec)])]
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
    inputs, gates = features(call, x), len(order)
    kernel = call.weight("kernel", (inputs, gates * units))
    recurrent = call.weight("recurrent_kernel", (units, gates * units))
    kernel, recurrent = from_cudnn(kernel, gates), from_cudnn(recurrent, gates)
    return constants_of_gates(call, kernel, recurrent, call.weight("bias", (2 * gates * units,)), order)


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
        lambda states, options: run_operator(call, operator, x, weights, states, options),
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
