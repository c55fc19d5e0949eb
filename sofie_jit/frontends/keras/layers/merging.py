"""Layers that merge several tensors: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Dot."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from sofie_jit.frontends.keras.axes import axes_of, over_axes
from sofie_jit.frontends.keras.layers.registry import LayerCall, layer
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.elementwise import Add, Cast, Max, Mean, Min, Mul, Sub, Sum, Variadic
from sofie_jit.ir.operators.normalization import LpNormalization
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.transpose import Transpose


def _tensors(call: LayerCall, inputs: Symbol | Sequence[Symbol], count: int | None = None) -> list[Symbol]:
    """The list that a merging layer is called with, all of one element type and rank.

    Keras makes ranks equal by new axes behind the batch.
    """
    tensors = [inputs] if isinstance(inputs, Symbol) else list(inputs)
    if count is not None and len(tensors) != count:
        call.refuse(f"it merges {count} tensors, but is called with {len(tensors)}")
    if len({x.dtype for x in tensors}) > 1:
        tensors = [x if x.dtype == call.dtype else call.add(Cast(to=call.dtype), x) for x in tensors]
    rank = max(x.rank for x in tensors)
    return [
        x if x.rank == rank else call.add(Reshape(shape=(0, *(1,) * (rank - x.rank), *x.shape[1:])), x) for x in tensors
    ]


@layer("Add")
def add(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """The sum of all inputs."""
    tensors = _tensors(call, inputs)
    return call.add(Add() if len(tensors) == 2 else Sum(), *tensors)


@layer("Subtract")
def subtract(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """The first input minus the second."""
    return call.add(Sub(), *_tensors(call, inputs, 2))


@layer("Multiply")
def multiply(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """The product of all inputs; what is masked counts as 1, or as 0 where all inputs are masked."""
    tensors = _tensors(call, inputs)
    masks = _masks(call, tensors)
    product, *others = [x if m is None else ops.where(m, x, 1.0) for x, m in zip(tensors, masks, strict=True)]
    for x in others:
        product = call.add(Mul(), product, x)
    given = [m for m in masks if m is not None]
    return ops.where(functools.reduce(ops.logical_or, given), product, 0.0) if len(given) == len(masks) else product


@layer("Average")
def average(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """The mean of all inputs, element by element; of integers in float64, in which TensorFlow divides them."""
    tensors = [x if x.dtype.startswith("float") else call.add(Cast(to="float64"), x) for x in _tensors(call, inputs)]
    return call.add(Mean(), *tensors)


@layer("Maximum")
def maximum(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """The largest of all inputs, element by element; what is masked does not count."""
    return _extremum(call, Max, inputs)


@layer("Minimum")
def minimum(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """The smallest of all inputs, element by element; what is masked does not count."""
    return _extremum(call, Min, inputs)


def _extremum(call: LayerCall, operator: type[Variadic], inputs: Sequence[Symbol]) -> Symbol:
    tensors = _tensors(call, inputs)
    masks = _masks(call, tensors)
    if all(m is None for m in masks):
        return call.add(operator(), *tensors)
    (found, counts), *others = zip(tensors, masks, strict=True)
    for x, m in others:  # as Keras does, where the result of three inputs depends on their order
        x = x if m is None else ops.where(m, x, found)
        found = found if counts is None else ops.where(counts, found, x)
        counts = None if counts is None or m is None else ops.logical_or(counts, m)
        found = call.add(operator(), found, x)
    return found


def _masks(call: LayerCall, tensors: Sequence[Symbol]) -> list[Symbol | None]:
    """The masks of ``tensors``, which broadcast to them; Keras 2 did not look at them."""
    if call.layer.era < 3:
        return [None] * len(tensors)
    for x in tensors:
        if x.mask is not None and x.mask.rank != x.rank - 1:
            call.refuse(f"it merges {x.type} with a mask {x.mask.type}; only masks of all axes but the last are known")
    return [None if x.mask is None else ops.expand_dims(x.mask, -1) for x in tensors]


@layer("Concatenate")
def concatenate(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """All inputs one after the other along ``axis``."""
    axis = call.config["axis"]
    if len({x.rank for x in inputs}) > 1:
        call.refuse(f"its inputs have different ranks: {', '.join(str(x.type) for x in inputs)}")
    return call.add(Concat(axis=axis), *_tensors(call, inputs))


@layer("Dot")
def dot(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """Sums of products along an axis of each of two tensors, sample by sample."""
    tensors = [inputs] if isinstance(inputs, Symbol) else list(inputs)
    if len(tensors) != 2 or any(x.rank < 2 for x in tensors):
        call.refuse(
            f"it needs two tensors with a batch and at least one more axis, got {[str(x.type) for x in tensors]}"
        )
    option = call.config["axes"]
    pair = [option, option] if isinstance(option, int) else list(option)
    (a,), (b,) = (axes_of(call, x, axis) for x, axis in zip(tensors, pair, strict=True))
    if 0 in (a, b):
        call.refuse(f"axes={option!r} sums over the batch; only axes behind it can be summed over")
    left, right = tensors
    if call.config["normalize"]:
        left, right = _unit_length(call, left, a), _unit_length(call, right, b)
    kept = [x.shape[1:axis] + x.shape[axis + 1 :] for x, axis in ((left, a), (right, b))]
    size = left.shape[a]
    rows = call.add(Transpose(perm=[axis for axis in range(left.rank) if axis != a] + [a]), left)
    columns = call.add(Transpose(perm=[0, b, *(axis for axis in range(1, right.rank) if axis != b)]), right)
    rows = call.add(Reshape(shape=(0, *(kept[0] if len(kept[0]) == 1 else (-1,)), size)), rows)
    columns = call.add(Reshape(shape=(0, right.shape[b], *(kept[1] if len(kept[1]) == 1 else (-1,)))), columns)
    return call.add(Reshape(shape=(0, *(kept[0] + kept[1] or (1,)))), ops.matmul(rows, columns))


def _unit_length(call: LayerCall, x: Symbol, axis: int) -> Symbol:
    return over_axes(call, x, [axis], lambda moved: call.add(LpNormalization(axis=-1, limit=1e7), moved))
