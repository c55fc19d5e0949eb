"""Loops and branches that depend on data: the operators Loop and If, whose bodies are the graphs of the node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sofie_jit.frontends.control_flow import Iteration, chosen, repeated
from sofie_jit.frontends.onnx.model import Graph
from sofie_jit.frontends.onnx.narrow import combined, widened
from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.size_values import size_values
from sofie_jit.frontends.onnx.values import Narrow, TensorSequence, Value, constant, dims_of, dtype_of, known_dims
from sofie_jit.frontends.wording import CUT
from sofie_jit.ir import ops
from sofie_jit.ir.bodies import body
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, maximum
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.rounding import NARROW


def inputs_of_body(graph: Graph, number: Value, states: Sequence[Value]) -> dict[str, Value]:
    """The inputs of a Loop's body by name: the number of the iteration, true, and the ``states``.

    The first two are vectors of one element where the body declares that, as in ONNX Runtime.
    """
    shapes = [(1,) * (info.shape is not None and len(info.shape) == 1) for info in graph.inputs[:2]]
    given: list[Value] = [
        ops.reshape(number, shapes[0]) if isinstance(number, Symbol) else np.reshape(np.asarray(number), shapes[0]),
        np.full(shapes[1], True),
        *states,
    ]
    return {info.name: value for info, value in zip(graph.inputs, given, strict=True)}


def computed_loop(
    call: OnnxCall, trips: Value | None, condition: Value | None, carried: Sequence[Value]
) -> list[Value]:
    """The outputs of a node Loop as those of the operator."""
    graph = call.graph("body")
    kept = [_is_unchanged(graph, 1 + index, 2 + index) for index in range(len(carried))]
    wanted = [call.wants(index) for index in range(len(carried), len(graph.outputs) - 1)]
    changed = [value for value, same in zip(carried, kept, strict=True) if not same]

    def iteration(number: Symbol, states: Sequence[Value]) -> Step:
        following = iter(states)
        given = [value if same else next(following) for value, same in zip(carried, kept, strict=True)]
        goes_on, *results = call.translate(graph, inputs_of_body(graph, number, given), repeated=False)
        after = results[: len(carried)]
        moved = [value for value, same in zip(after, kept, strict=True) if not same]
        rows = [row for row, is_used in zip(results[len(carried) :], wanted, strict=True) if is_used]
        return Step(goes_on, moved, rows)

    states, rows = _repeated(call, iteration, trips, condition, changed)
    following, collected = iter(states), iter(rows)
    last = [value if same else next(following) for value, same in zip(carried, kept, strict=True)]
    return [*last, *(next(collected) if is_used else np.empty(0) for is_used in wanted)]


class Walk(NamedTuple):
    """How Scan goes along its inputs."""

    inputs: Sequence[Value]
    axes: Sequence[int]
    reverse: Sequence[int]
    """Whether it goes from the end to the start, for each input."""
    length: Dim


def computed_scan(call: OnnxCall, states: Sequence[Value], walk: Walk) -> tuple[list[Value], list[Value]]:
    """The states of a node Scan at the end, and the outputs of all steps along a new first axis."""
    graph = call.graph("body")
    last = call.symbol(_size(walk.length - 1), f"{call.name}/last")

    def row(x: Value, axis: int, at: Symbol) -> Value:
        return combined(call, lambda values: call.add(Gather(axis=axis), values[0], at), [x])

    def iteration(number: Symbol, states: Sequence[Value]) -> Step:
        walks = zip(walk.inputs, walk.axes, walk.reverse, strict=True)
        rows = [row(x, axis, last - number if reverse else number) for x, axis, reverse in walks]
        names = [info.name for info in graph.inputs]
        results = call.translate(graph, dict(zip(names, [*states, *rows], strict=True)), repeated=False)
        return Step(np.array(True), results[: len(states)], results[len(states) :])

    return _repeated(call, iteration, _size(walk.length), None, states)


def placed(call: OnnxCall, rows: Value, axis: int, reverse: int) -> Value:
    """Tensors along the first axis moved to another one, in the opposite order if ``reverse``."""

    def moved(values: list[Symbol]) -> Symbol:
        turned = ops.flip(values[0], 0) if reverse else values[0]
        return ops.moveaxis(turned, 0, axis)

    return combined(call, moved, [rows])


def _size(dim: Dim) -> np.ndarray:
    return known_dims([dim]).reshape(())


class Step(NamedTuple):
    """What an iteration computes."""

    goes_on: Value
    states: Sequence[Value]
    rows: Sequence[Value]


def _repeated(
    call: OnnxCall,
    step: Callable[[Symbol, Sequence[Value]], Step],
    trips: Value | None,
    condition: Value | None,
    carried: Sequence[Value],
) -> tuple[list[Value], list[Value]]:
    """As :func:`control_flow.repeated`, of values of ONNX."""
    if any(isinstance(value, TensorSequence) for value in carried):
        call.refuse("it carries a sequence of tensors; its number of iterations must be known", CUT)
    dtypes = [dtype_of(value) for value in carried]
    collected: list[str] = []

    def iteration(number: Symbol, states: Sequence[Symbol]) -> Iteration:
        goes_on, after, rows = step(number, [_as(x, dtype) for x, dtype in zip(states, dtypes, strict=True)])
        collected[:] = map(dtype_of, rows)
        next_states = [
            _kept_type(call, index, dtype, value)
            for index, (dtype, value) in enumerate(zip(dtypes, after, strict=True), 1)
        ]
        return Iteration(
            _flag(call, goes_on), next_states, [_tensor(call, value, f"{call.name}/collected") for value in rows]
        )

    states, rows = repeated(
        call,
        iteration,
        [_tensor(call, value, f"{call.name}/carried") for value in carried],
        trips=None if trips is None else ops.cast(_tensor(call, trips, f"{call.name}/M"), "int64"),
        condition=None if condition is None else _flag(call, condition),
        most=_most(call, trips),
    )
    return (
        [_as(state, dtype) for state, dtype in zip(states, dtypes, strict=True)],
        [_as(row, dtype) for row, dtype in zip(rows, collected, strict=True)],
    )


def _kept_type(call: OnnxCall, number: int, dtype: str, value: Value) -> Symbol:
    """The next value of a carried tensor. Refuses one of another type of 16 bits, which are all computed in float32."""
    if dtype_of(value) != dtype and NARROW.keys() & {dtype, dtype_of(value)}:
        call.refuse(f"its carried value {number} is {dtype} before an iteration and {dtype_of(value)} after it", CUT)
    return _tensor(call, value, f"{call.name}/carried")


def branched(call: OnnxCall, condition: Symbol, *graphs: Graph) -> list[Value]:
    """The outputs of the first graph if the condition is true, else those of the second."""
    branches, values = [], []
    for graph in graphs:
        with body(call.builder, []) as built:
            values.append(call.translate(graph, repeated=False))
            outputs = [_tensor(call, value, f"{call.name}/tensor") for value in values[-1]]
        built.finish(outputs)
        branches.append(built)
    dtypes, others = ([dtype_of(value) for value in listed] for listed in values)
    for one, other in zip(dtypes, others, strict=True):
        if one != other and NARROW.keys() & {one, other}:
            call.refuse(f"its branches return {one} and {other}; a computed condition needs equal types")
    return [_as(result, dtype) for result, dtype in zip(chosen(call, condition, branches), dtypes, strict=True)]


def _tensor(call: OnnxCall, value: Value, name: str) -> Symbol:
    wide = widened(value)
    assert wide is not None
    return call.symbol(wide, name)


def _as(symbol: Symbol, dtype: str) -> Value:
    """A tensor whose elements are of ``dtype`` in ONNX."""
    return Narrow(symbol, dtype) if dtype in NARROW else symbol


def _flag(call: OnnxCall, value: Value) -> Symbol | None:
    """A condition; None if it is always true."""
    if isinstance(value, np.ndarray) and value.item():
        return None
    return _tensor(call, value, f"{call.name}/cond")


def _most(call: OnnxCall, trips: Value | None) -> Dim | None:
    """The number of iterations as a number or an expression over sizes; None if it depends on data."""
    if isinstance(trips, Symbol):
        known = call.known(trips)
        trips = size_values(call.builder.rmodel, trips.name) if known is None else known
    if not isinstance(trips, np.ndarray):
        return None
    if trips.size != 1:
        call.refuse(f"its input 'M' is of type {trips.dtype} and shape {trips.shape}; expected one number")
    (most,) = dims_of(trips)
    return maximum(most, 0)


def never_stops(call: OnnxCall, graph: Graph) -> bool:
    """Whether the body of a Loop returns the condition that it gets, or a constant that is true."""
    name = _source(graph, graph.outputs[0].name)
    tensor = graph.initializers.get(name)
    known = call.outer_value(name) if tensor is None else constant(tensor)
    is_true = isinstance(known, np.ndarray) and known.size == 1 and bool(known.item())
    return name == graph.inputs[1].name or (is_true and name not in graph.names - graph.initializers.keys())


def _is_unchanged(graph: Graph, output: int, given: int) -> bool:
    """Whether an output of a graph is one of its inputs."""
    return _source(graph, graph.outputs[output].name) == graph.inputs[given].name


def _source(graph: Graph, name: str) -> str:
    """The tensor that ``name`` is a copy of, by nodes Identity."""
    producers = {output: node for node in graph.nodes for output in node.outputs}
    while name in producers and producers[name].type == "Identity":
        name = producers[name].inputs[0]
    return name
