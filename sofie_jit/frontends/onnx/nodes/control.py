"""Control flow: If, Loop and Scan, unrolled where conditions and numbers of iterations are known; see ``loops.py``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.base import SizesNeededError, ValuesNeededError
from sofie_jit.frontends.onnx.narrow import combined
from sofie_jit.frontends.onnx.nodes.call import OnnxCall, UnrollingError
from sofie_jit.frontends.onnx.nodes.loops import (
    Walk,
    branched,
    computed_loop,
    computed_scan,
    inputs_of_body,
    never_stops,
    placed,
)
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.frontends.onnx.values import Value, shape_of
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import FIX_SIZES, format_shape, names_of, normalize_axis


@node("If")
def if_(call: OnnxCall, condition: Value) -> tuple[Value, ...]:
    """The outputs of one of two graphs, which have equal types if the condition is computed from data."""
    branches = call.graph("then_branch"), call.graph("else_branch")
    if isinstance(condition, Symbol):
        computed = partial(branched, call, condition, *branches)
        known = call.known(condition)
        if known is None and not call.is_parameter(condition):
            return tuple(computed())
        try:
            condition = call.constant_value(condition, "cond") if known is None else known
        except ValuesNeededError as error:
            return _for_any_values(call, computed, error)
    known = np.asarray(condition)
    return tuple(call.translate(branches[0 if known.item() else 1]))


def _for_any_values(
    call: OnnxCall, computed: Callable[[], list[Value]], cause: UnsupportedLayerError | None
) -> tuple[Value, ...]:
    """What ``computed`` returns, code for any values of inputs, if it can be translated.

    ``cause``: the error that says why the node is not translated for given values. It is raised if these would help.
    """
    if not isinstance(cause, ValuesNeededError):
        return tuple(computed())
    try:
        with call.undone_on(UnsupportedLayerError):
            return tuple(computed())
    except UnsupportedLayerError:
        raise cause from None


@node("Loop")
def loop(
    call: OnnxCall, trips: Value | None = None, condition: Value | None = None, *carried: Value
) -> tuple[Value, ...]:
    """A graph repeated: unrolled if the number of iterations and the conditions are known, else the operator Loop."""
    try:
        with call.undone_on(UnrollingError):
            return _unrolled(call, trips, condition, carried)
    except UnrollingError as error:
        return _for_any_values(call, partial(computed_loop, call, trips, condition, carried), error.cause)


def _unrolled(
    call: OnnxCall, trips: Value | None, condition: Value | None, carried: Sequence[Value]
) -> tuple[Value, ...]:
    """Raises UnrollingError if the number of iterations is not known, or too large."""
    body = call.graph("body")
    most = None if trips is None else _known_number(call, trips, "M")
    goes_on, states = condition is None or bool(_known_number(call, condition, "cond")), list(carried)
    if most is not None and goes_on and never_stops(call, body):
        call.check_iterations(body, most)
    collected: list[list[Value]] = [[] for _ in body.outputs[1 + len(states) :]]
    count = 0
    while goes_on and (most is None or count < most):
        goes_on_value, *results = call.translate(body, inputs_of_body(body, np.array(count), states))
        states = results[: len(states)]
        for rows, row in zip(collected, results[len(states) :], strict=True):
            rows.append(row)
        goes_on, count = bool(_known_number(call, goes_on_value, "cond")), count + 1
    if not count and collected:
        example = call.translate(body, inputs_of_body(body, np.array(0), states))
        return (*states, *(_none(call, row) for row in example[1 + len(states) :]))
    return (*states, *(_stacked(call, rows, 0) for rows in collected))


def _known_number(call: OnnxCall, value: Value, name: str) -> int:
    try:
        return call.known_number(value, name, "known numbers of iterations")
    except SizesNeededError:
        raise
    except UnsupportedLayerError as error:
        raise UnrollingError(error.problems, cause=error) from error


def _none(call: OnnxCall, example: Value) -> Value:
    """What no iteration collects: no elements of the type of ``example``, which an iteration would return."""
    return combined(call, lambda values: ops.slice_along(ops.expand_dims(values[0], [0]), 0, 0, 0), [example])


@node("Scan", since=9)
def scan(call: OnnxCall, *inputs: Value) -> tuple[Value, ...]:
    """A graph repeated for each element along an axis of some inputs, whose size must be known."""
    return _scan(call, inputs)


@node("Scan", since=8)
def scan_of_batch(call: OnnxCall, lengths: Symbol | None = None, *inputs: Value) -> tuple[Value, ...]:
    """The form of opset 8: with a batch in front of all inputs and outputs, and lengths of sequences."""
    if lengths is not None:
        call.refuse("sequence_lens is not supported")
    batch, count = shape_of(inputs[0])[0], call.integer("num_scan_inputs")
    if not isinstance(batch, int):
        call.refuse(f"the form of opset 8 with the open batch '{batch}' is not supported", FIX_SIZES)
    directions = call.integers("directions") or [0] * count
    call.ignore("body")
    rows = []
    for row in range(batch):
        rows.append(_scan(call, [_row(call, x, 0, row) for x in inputs], directions))
    return tuple(_stacked(call, list(column), 0) for column in zip(*rows, strict=True))


def _scan(call: OnnxCall, inputs: Sequence[Value], directions: Sequence[int] | None = None) -> tuple[Value, ...]:
    body, count = call.graph("body"), call.integer("num_scan_inputs")
    states = list(inputs[: len(inputs) - count])
    scanned = inputs[len(states) :]
    outputs = len(body.outputs) - len(states)
    axes = call.integers("scan_input_axes") or [0] * count
    forward = list(directions or call.integers("scan_input_directions") or [0] * count)
    to_axes = call.integers("scan_output_axes") or [0] * outputs
    order = call.integers("scan_output_directions") or [0] * outputs
    shapes = [shape_of(x) for x in scanned]
    axes = [normalize_axis("Scan", axis, len(shape)) for axis, shape in zip(axes, shapes, strict=True)]
    steps = {shape[axis] for axis, shape in zip(axes, shapes, strict=True)}
    if len(steps) == 1:
        call.need_sizes("its number of iterations", names_of(steps))
    if len(steps) != 1 or not (length := steps.pop()):
        listed = ", ".join(map(format_shape, shapes))
        call.refuse(f"its scanned inputs have the shapes {listed}; one known size of the axis is needed", FIX_SIZES)
    walk = Walk(scanned, axes, forward, length)
    try:
        with call.undone_on(UnrollingError):
            states, collected = _steps(call, states, walk)
            joined = [
                _stacked(call, parts[::-1] if reverse else parts, axis)
                for parts, axis, reverse in zip(collected, to_axes, order, strict=True)
            ]
    except UnrollingError:
        states, rows = computed_scan(call, states, walk)
        joined = [placed(call, *row) for row in zip(rows, to_axes, order, strict=True)]
    return (*states, *joined)


def _steps(call: OnnxCall, states: list[Value], walk: Walk) -> tuple[list[Value], list[list[Value]]]:
    """The states at the end, and the outputs of all steps. Raises UnrollingError if there are too many."""
    body = call.graph("body")
    if not isinstance(walk.length, int):
        raise UnrollingError("its number of iterations depends on data")
    call.check_iterations(body, walk.length)
    collected: list[list[Value]] = [[] for _ in body.outputs[len(states) :]]
    for step in range(walk.length):
        rows = []
        for x, axis, reverse in zip(walk.inputs, walk.axes, walk.reverse, strict=True):
            at = walk.length - 1 - step if reverse else step
            rows.append(_row(call, x, axis, at))
        names = [info.name for info in body.inputs]
        results = call.translate(body, dict(zip(names, [*states, *rows], strict=True)))
        states = results[: len(states)]
        for parts, part in zip(collected, results[len(states) :], strict=True):
            parts.append(part)
    return states, collected


def _row(call: OnnxCall, x: Value, axis: int, at: int) -> Value:
    """The elements at one place of an axis."""
    return combined(call, lambda values: ops.squeeze(ops.slice_along(values[0], axis, at, at + 1), [axis]), [x])


def _stacked(call: OnnxCall, parts: Sequence[Value], axis: int) -> Value:
    """Tensors of iterations along a new axis."""
    return combined(call, lambda values: ops.stack(values, axis), parts)
