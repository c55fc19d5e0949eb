"""The loop of a recurrent layer over the steps of a sequence, its states, and defaults of its options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.graph import flatten
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.rnn import Recurrent
from sofie_jit.ir.types import is_floating
from sofie_jit.records import dataclass

SEQUENCE = {"return_sequences": False, "return_state": False, "go_backwards": False, "stateful": False}
"""Defaults of all recurrent layers."""

CELL = {"activation": "tanh", "use_bias": True}
"""Defaults of all cells, and of the layers that have them built in."""

GATED = {**CELL, "recurrent_activation": "sigmoid"}

HARD_SIGMOID = {"recurrent_activation": "hard_sigmoid"}
"""The default of Keras 1 and 2."""

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
    states = [None] * len(shapes) if initial_state is None else _given_states(call, shapes, initial_state)
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


def _given_states(call: LayerCall, shapes: Sequence[tuple[Dim, ...]], given: Any) -> list[Symbol | None]:
    """The initial states of a call: tensors, or arrays in the config, whose rows must be alike."""
    if all(isinstance(state, Symbol) for state in flatten(given)):
        return flatten(given)
    states = [given] if len(shapes) == 1 and np.ndim(given) == len(shapes[0]) else list(given)
    return [
        state if isinstance(state, Symbol) else _repeated(call, np.asarray(state, call.dtype), shape)
        for state, shape in zip(states, shapes, strict=False)
    ]


def _repeated(call: LayerCall, array: np.ndarray, shape: tuple[Dim, ...]) -> Symbol:
    """An initial state that is the same for each row of the batch."""
    if not np.array_equal(array, np.broadcast_to(array[:1], array.shape), equal_nan=True):
        call.refuse(
            f"its initial states are an array with a row for each of {len(array)} rows of the batch; make them an "
            "input of the model"
        )
    return ops.broadcast_to(call.constant(array[:1], "initial_state"), shape)


def run_operator(
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
