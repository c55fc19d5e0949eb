"""Loops and branches that depend on data: the operators Loop and If, whose bodies are the graphs of the node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sofie_jit.frontends.onnx.model import Graph
from sofie_jit.frontends.onnx.narrow import combined, widened
from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.size_values import size_values
from sofie_jit.frontends.onnx.values import Narrow, TensorSequence, Value, constant, dims_of, dtype_of, known_dims
from sofie_jit.frontends.wording import CUT
from sofie_jit.ir import ops
from sofie_jit.ir.bodies import Body, body
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, SymbolicDim, maximum, product, split_count
from sofie_jit.ir.operators.control import If, Loop
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.rounding import NARROW
from sofie_jit.ir.types import MAX_ELEMENTS, TensorType


class Iteration(NamedTuple):
    """What the body of a loop computes."""

    goes_on: Value
    states: Sequence[Value]
    rows: Sequence[Value]


def computed_loop(
    call: OnnxCall, trips: Value | None, condition: Value | None, carried: Sequence[Value]
) -> list[Value]:
    """The outputs of a node Loop as those of the operator."""
    graph = call.graph("body")
    kept = [_is_unchanged(graph, 1 + index, 2 + index) for index in range(len(carried))]
    wanted = [call.wants(index) for index in range(len(carried), len(graph.outputs) - 1)]
    changed = [value for value, same in zip(carried, kept, strict=True) if not same]

    def iteration(number: Symbol, states: Sequence[Value]) -> Iteration:
        following = iter(states)
        given = [value if same else next(following) for value, same in zip(carried, kept, strict=True)]
        names = [info.name for info in graph.inputs]
        inputs: list[Value] = [number, np.array(True), *given]
        goes_on, *results = call.translate(graph, dict(zip(names, inputs, strict=True)), repeated=False)
        after = results[: len(carried)]
        moved = [value for value, same in zip(after, kept, strict=True) if not same]
        rows = [row for row, is_used in zip(results[len(carried) :], wanted, strict=True) if is_used]
        return Iteration(goes_on, moved, rows)

    states, rows = repeated(call, iteration, trips, condition, changed)
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

    def iteration(number: Symbol, states: Sequence[Value]) -> Iteration:
        walks = zip(walk.inputs, walk.axes, walk.reverse, strict=True)
        rows = [row(x, axis, last - number if reverse else number) for x, axis, reverse in walks]
        names = [info.name for info in graph.inputs]
        results = call.translate(graph, dict(zip(names, [*states, *rows], strict=True)), repeated=False)
        return Iteration(np.array(True), results[: len(states)], results[len(states) :])

    return repeated(call, iteration, _size(walk.length), None, states)


def placed(call: OnnxCall, rows: Value, axis: int, reverse: int) -> Value:
    """Tensors along the first axis moved to another one, in the opposite order if ``reverse``."""

    def moved(values: list[Symbol]) -> Symbol:
        turned = ops.flip(values[0], 0) if reverse else values[0]
        return ops.moveaxis(turned, 0, axis)

    return combined(call, moved, [rows])


def _size(dim: Dim) -> np.ndarray:
    return known_dims([dim]).reshape(())


def repeated(
    call: OnnxCall,
    iteration: Callable[[Symbol, Sequence[Value]], Iteration],
    trips: Value | None,
    condition: Value | None,
    carried: Sequence[Value],
) -> tuple[list[Value], list[Value]]:
    """The carried values after the last iteration, and the collected ones of all iterations along a new first axis.

    ``iteration`` adds the operators of an iteration, given its number and the carried values. Refuses carried values
    whose type changes, and collected ones if the number of iterations has no bound.
    """
    if any(isinstance(value, TensorSequence) for value in carried):
        call.refuse("it carries a sequence of tensors; its number of iterations must be known", CUT)
    if isinstance(condition, np.ndarray) and condition.item():
        condition = None
    dtypes = [dtype_of(value) for value in carried]
    initial = [_tensor(call, value, f"{call.name}/carried") for value in carried]
    types = [TensorType("int64", ()), *(symbol.type for symbol in initial)]
    with body(call.builder, types, initial) as built:
        number, *states = built.inputs
        goes_on, after, rows = iteration(number, [_as(x, dtype) for x, dtype in zip(states, dtypes, strict=True)])
        next_states = [_tensor(call, value, f"{call.name}/carried") for value in after]
        collected = [_tensor(call, value, f"{call.name}/collected") for value in rows]
        for index, pair in enumerate(zip(initial, dtypes, next_states, after, strict=True)):
            _check_type(call, index, *pair)
        built.outputs = [_flag(call, goes_on), *next_states, *collected]
    most = _most(call, trips)
    always = isinstance(goes_on, np.ndarray) and bool(goes_on.item()) and condition is None
    if always and trips is None:
        call.refuse("it never ends: it has neither a number of iterations nor a condition", CUT)
    if not initial and not collected:
        return [], []
    if collected:
        _check_bound(call, most, collected)
    operator = Loop(
        body=built.network,
        carried=len(initial),
        most=most if collected else None,
        count="" if always or not collected else call.builder.new_size("iterations"),
    )
    given = [
        None if trips is None else ops.cast(_tensor(call, trips, f"{call.name}/M"), "int64"),
        None if condition is None else _flag(call, condition),
    ]
    results = call.add_all(operator, *given, *initial, *built.outer)
    kinds = [*dtypes, *map(dtype_of, rows)]
    values = [_as(result, dtype) for result, dtype in zip(results, kinds, strict=True)]
    return values[: len(initial)], values[len(initial) :]


CHEAP = 16
"""Operations for each element of the results from which on a single branch is computed."""


def chosen(call: OnnxCall, condition: Symbol, *graphs: Graph) -> list[Value]:
    """The outputs of the first graph if the condition is true, else those of the second.

    If they are cheap, both are computed and one of them is selected, so that the operators around can be fused.
    """
    flag = _flag(call, condition)
    branches, values = [], []
    for graph in graphs:
        with body(call.builder, []) as built:
            values.append(call.translate(graph, repeated=False))
            built.outputs = [_tensor(call, value, f"{call.name}/tensor") for value in values[-1]]
        branches.append(built)
    dtypes = [dtype_of(value) for value in values[0]]
    for yes, no, dtype, other in zip(branches[0].outputs, branches[1].outputs, dtypes, values[1], strict=True):
        if yes.type != no.type or dtype != dtype_of(other):
            call.refuse(
                f"its branches return {yes.type} and {no.type}; a condition that is computed by the model needs equal "
                "types"
            )
    pairs = zip(*(branch.outputs for branch in branches), strict=True)
    if all(map(_is_cheap, branches)):
        for branch in branches:
            for op in branch.network.operators:
                call.builder.rmodel.add_operator(op)
        return [_as(ops.where(flag, *pair), dtype) for pair, dtype in zip(pairs, dtypes, strict=True)]
    outer = {symbol.name: symbol for branch in branches for symbol in branch.outer}
    for branch in branches:
        branch.network.inputs = {name: symbol.type for name, symbol in outer.items()}
    networks = [branch.network for branch in branches]
    results = call.add_all(If(then_branch=networks[0], else_branch=networks[1]), flag, *outer.values())
    return [_as(result, dtype) for result, dtype in zip(results, dtypes, strict=True)]


def _is_cheap(branch: Body) -> bool:
    """Whether a branch takes little time whatever its inputs are."""
    network = branch.network
    elements = sum(split_count(symbol.shape)[0] for symbol in branch.outputs)
    given = [[network.tensor_type(name) if name else None for name in op.inputs] for op in network.operators]
    fixed = all(
        op.is_foldable and not op.sets_sizes(*types) for op, types in zip(network.operators, given, strict=True)
    )
    return fixed and sum(network.operator_flops()) <= CHEAP * elements


def _tensor(call: OnnxCall, value: Value, name: str) -> Symbol:
    wide = widened(value)
    assert wide is not None
    return call.symbol(wide, name)


def _as(symbol: Symbol, dtype: str) -> Value:
    """A tensor whose elements are of ``dtype`` in ONNX."""
    return Narrow(symbol, dtype) if dtype in NARROW else symbol


def _flag(call: OnnxCall, value: Value) -> Symbol:
    """A condition without axes."""
    return ops.reshape(_tensor(call, value, f"{call.name}/cond"), ())


def _check_type(call: OnnxCall, index: int, before: Symbol, dtype: str, after: Symbol, value: Value) -> None:
    if before.type != after.type or dtype != dtype_of(value):
        call.refuse(
            f"its carried value {index + 1} is {before.type} before an iteration and {after.type} after it; types that "
            "change need a number of iterations and conditions that are known",
            CUT,
        )


def _most(call: OnnxCall, trips: Value | None) -> Dim | None:
    """The number of iterations as a number or an expression over sizes; None if it depends on data."""
    if isinstance(trips, Symbol):
        known = call.known(trips)
        trips = size_values(call.builder.rmodel, trips.name) if known is None else known
    if not isinstance(trips, np.ndarray):
        return None
    (most,) = dims_of(trips)
    return maximum(most, 0)


def _check_bound(call: OnnxCall, most: Dim | None, collected: Sequence[Symbol]) -> None:
    """Refuses values of all iterations whose number has no bound, or one for which there is no memory."""
    if most is None:
        reason = "it returns values of all iterations, whose number is computed by the model and has no bound"
    else:
        sizes = [product(most, *x.shape) for x in collected]
        numbers = [size.known_factor if isinstance(size, SymbolicDim) else size for size in sizes]
        if max(numbers) <= MAX_ELEMENTS:
            return
        reason = f"it returns values of all iterations, of which there may be {most}: there is no memory for them"
    call.refuse(reason, "make its input 'M' a constant of a few thousand", "return the carried values only", CUT)


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
