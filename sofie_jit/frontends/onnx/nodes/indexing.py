"""Elements picked and replaced by indices."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import direct, node
from sofie_jit.frontends.onnx.nodes.sizes import positions, size_of
from sofie_jit.frontends.onnx.values import dims_of
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis, static_dim
from sofie_jit.ir.operators.elementwise import Cast, Where
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.math import GatherElements
from sofie_jit.ir.operators.scatter import GatherND, ScatterElements, ScatterND
from sofie_jit.ir.types import is_integer

direct(Gather, attributes=["axis"])
direct(GatherND, attributes=["batch_dims"], since=11)
direct(ScatterElements, attributes=["axis", "reduction"], since=11)
direct(ScatterND, attributes=["reduction"], since=11)


@node("GatherElements", since=11)
def gather_elements(call: OnnxCall, data: Symbol, indices: Symbol) -> Symbol:
    """Elements along an axis; along the others, only the first of ``data`` are used if ``indices`` has fewer."""
    operator = call.operator(GatherElements, "axis")
    axis = normalize_axis("GatherElements", operator.axis, data.rank)
    for other, (size, used) in enumerate(zip(data.shape, indices.shape, strict=True)):
        if other != axis and isinstance(used, int) and isinstance(size, int) and used < size:
            data = ops.slice_along(data, other, 0, used)
    return call.add(operator, data, indices)


@node("Scatter", since=9)
def scatter(call: OnnxCall, data: Symbol, indices: Symbol, updates: Symbol) -> Symbol:
    """The name of ScatterElements before opset 11."""
    return call.add(call.operator(ScatterElements, "axis"), data, indices, updates)


@node("TensorScatter", since=24)
def tensor_scatter(call: OnnxCall, cache: Symbol, update: Symbol, write_indices: Symbol | None = None) -> Symbol:
    """``cache`` with ``update`` along an axis, from an index on that each sample has."""
    axis = normalize_axis("TensorScatter", call.integer("axis", -2), cache.rank)
    mode, size = call.text("mode", "linear"), static_dim("TensorScatter", cache.shape, axis)
    if mode not in ("linear", "circular") or axis == 0:
        call.refuse(f"mode is {mode!r} and axis is {axis}; expected linear or circular, and an axis after the first")
    places = ops.reshape(positions(call, update.shape[axis]), [-1 if a == axis else 1 for a in range(cache.rank)])
    if write_indices is not None:
        first = ops.reshape(ops.cast(write_indices, "int64"), (-1, *[1] * (cache.rank - 1)))
        places = ops.add(places, first)
    if mode == "circular":
        places = ops.mod(places, size)
    indices = ops.broadcast_to(places, update.shape)
    return call.add(ScatterElements(axis=axis), cache, indices, update)


@node("ReverseSequence", since=10)
def reverse_sequence(call: OnnxCall, x: Symbol, lengths: Symbol) -> Symbol:
    """The first elements of each sample along the time axis in reverse order."""
    time, batch = call.integer("time_axis", 0), call.integer("batch_axis", 1)
    if {time, batch} != {0, 1}:
        call.refuse(f"time_axis is {time} and batch_axis is {batch}; expected 0 and 1")
    shape = (-1, 1) if batch == 0 else (1, -1)
    steps = ops.reshape(positions(call, x.shape[time]), (1, -1) if time else (-1, 1))
    length = ops.reshape(ops.cast(lengths, "int64"), shape)
    sources = ops.where(ops.less(steps, length), ops.subtract(ops.subtract(length, steps), 1), steps)
    sources = ops.reshape(sources, (*sources.shape, *[1] * (x.rank - 2)))
    return ops.take_along_axis(x, ops.broadcast_to(sources, x.shape), time)


@node("OneHot", since=9)
def one_hot(call: OnnxCall, indices: Symbol, depth: np.ndarray, values: Symbol) -> Symbol:
    """``values[1]`` at the index along a new axis, ``values[0]`` elsewhere."""
    axis, (count,) = normalize_axis("OneHot", call.integer("axis", -1), indices.rank + 1), dims_of(depth)
    whole = indices if is_integer(indices.dtype) else call.add(Cast(to="int64"), indices)
    shift = np.array(count, whole.dtype) if isinstance(count, int) else size_of(call, count, whole.dtype)
    whole = ops.where(ops.less(whole, 0), ops.add(whole, shift), whole)
    hot = ops.one_hot(whole, count, axis, "bool")
    off, on = (ops.reshape(ops.slice_along(values, 0, i, i + 1), ()) for i in (0, 1))
    return call.add(Where(), hot, on, off)
