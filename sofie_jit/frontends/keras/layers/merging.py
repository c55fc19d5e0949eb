"""Layers that merge several tensors: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Dot."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.axes import axes_of_option, over_axes
from sofie_jit.frontends.keras.graph import flatten
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.masks import all_of, stops
from sofie_jit.frontends.keras.promotion import MULTIPLIED
from sofie_jit.frontends.wording import replacing
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.elementwise import Add, Cast, Max, Mean, Min, Mul, Sub, Sum, Variadic
from sofie_jit.ir.operators.normalization import LpNormalization
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.ir.types import is_floating

_TRUE = np.array([True])  # one array, so that all layers share the constant


def _tensors(call: LayerCall, inputs: Symbol | Sequence[Symbol], count: int | None = None) -> list[Symbol]:
    """The tensors that a merging layer is called with, converted to one element type and rank.

    Keras makes the ranks equal by new axes after the batch.
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


def merged_mask(call: LayerCall, inputs: Any, mask: Any, outputs: Any) -> Any:
    """A step counts if it counts in any input; none is masked if an input has no mask. In Keras 2: if in all inputs."""
    masks = flatten(mask)
    if call.layer.keras_major < 3:
        return all_of(*dict.fromkeys(m for m in masks if m is not None))
    if any(m is None for m in masks):
        return None
    return functools.reduce(ops.logical_or, dict.fromkeys(masks))


@layer("Add", mask=merged_mask)
def add(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """The sum of all inputs."""
    tensors = _tensors(call, inputs)
    return call.add(Add() if len(tensors) == 2 else Sum(), *tensors)


@layer("Subtract", mask=merged_mask)
def subtract(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """The first input minus the second."""
    return call.add(Sub(), *_tensors(call, inputs, 2))


@layer("Multiply", mask=merged_mask)
def multiply(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """The product of all inputs; masked elements count as 1, and as 0 where all inputs are masked."""
    tensors = _tensors(call, inputs)
    masks = _masks(call, tensors)
    product, *others = [x if m is None else ops.where(m, x, 1.0) for x, m in zip(tensors, masks, strict=True)]
    for x in others:
        product = call.add(Mul(), product, x)
    given = [m for m in masks if m is not None]
    return ops.where(functools.reduce(ops.logical_or, given), product, 0.0) if len(given) == len(masks) else product


@layer("Average", mask=merged_mask)
def average(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """The element-wise mean of all inputs; sums of integers are divided in floating point, as TensorFlow does."""
    tensors = _tensors(call, inputs)
    if is_floating(tensors[0].dtype):
        return call.add(Mean(), *tensors)
    total = functools.reduce(ops.add, tensors)
    dtype = "float32" if total.dtype in ("int8", "int16", "uint8", "uint16") else "float64"
    return ops.divide(ops.cast(total, dtype), len(tensors))


@layer("Maximum", mask=merged_mask)
def maximum(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """The element-wise maximum of all inputs; masked elements do not count."""
    return _extremum(call, Max, inputs)


@layer("Minimum", mask=merged_mask)
def minimum(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """The element-wise minimum of all inputs; masked elements do not count."""
    return _extremum(call, Min, inputs)


def _extremum(call: LayerCall, operator: type[Variadic], inputs: Sequence[Symbol]) -> Symbol:
    tensors = _tensors(call, inputs)
    masks = _masks(call, tensors)
    if all(m is None for m in masks):
        return call.add(operator(), *tensors)
    (found, counts), *others = zip(tensors, masks, strict=True)
    for x, m in others:  # as in Keras, where the result of three inputs depends on their order
        x = x if m is None else ops.where(m, x, found)
        found = found if counts is None else ops.where(counts, found, x)
        counts = None if counts is None or m is None else ops.logical_or(counts, m)
        found = call.add(operator(), found, x)
    return found


def _masks(call: LayerCall, tensors: Sequence[Symbol]) -> list[Symbol | None]:
    """The masks of ``tensors``, with an axis that broadcasts to them; Keras 2 did not use them."""
    if call.layer.keras_major < 3:
        return [None] * len(tensors)
    masks = [call.masks.of(x) for x in tensors]
    for x, mask in zip(tensors, masks, strict=True):
        _check_mask(call, x, mask)
    return [None if mask is None else ops.expand_dims(mask, -1) for mask in masks]


def _check_mask(call: LayerCall, x: Symbol, mask: Symbol | None) -> None:
    if mask is not None and mask.rank != x.rank - 1:
        call.refuse(f"its input {x.type} has a mask {mask.type}; expected a mask of all axes but the last")


def _concatenated_mask(call: LayerCall, inputs: Any, mask: Any, outputs: Any) -> Any:
    """The masks concatenated like the tensors, or merged along the last axis; an input without a mask counts fully."""
    tensors, masks = flatten(inputs), flatten(mask)
    for x, m in zip(tensors, masks, strict=True):
        _check_mask(call, x, m)
    axis = call.config["axis"] % tensors[0].rank
    if axis == tensors[0].rank - 1 and (None not in masks or call.layer.keras_major < 3):
        return merged_mask(call, inputs, mask, outputs)
    all_true = call.builder.constant(_TRUE, "true")
    if axis == tensors[0].rank - 1:
        return ops.broadcast_to(all_true, tensors[0].shape[:-1])
    parts = [ops.broadcast_to(all_true if m is None else m, x.shape[:-1]) for x, m in zip(tensors, masks, strict=True)]
    return ops.concatenate(parts, axis)


@layer("Concatenate", mask=_concatenated_mask, defaults={"axis": -1})
def concatenate(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """All inputs joined along ``axis``."""
    tensors = [inputs] if isinstance(inputs, Symbol) else inputs
    if len({x.rank for x in tensors}) > 1:
        call.refuse(f"its inputs have different ranks: {', '.join(str(x.type) for x in tensors)}")
    return call.add(Concat(axis=call.config["axis"]), *_tensors(call, tensors))


@layer("Dot", mask=stops, defaults={"normalize": False})
def dot(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """Sums of products over one axis of each of two tensors, for each row of the batch."""
    tensors = [inputs] if isinstance(inputs, Symbol) else list(inputs)
    if len(tensors) != 2 or any(x.rank < 2 for x in tensors):
        call.refuse(
            f"it needs two tensors of at least two axes, the batch included, got {[str(x.type) for x in tensors]}"
        )
    if others := [x.dtype for x in tensors if x.dtype not in MULTIPLIED]:
        call.refuse(f"products of {others[0]} are not supported; cast them to float32 or int32 before")
    a, b = _pair_of_axes(call, tensors)
    left, right = tensors
    if call.config["normalize"]:
        left, right = _unit_length(call, left, a), _unit_length(call, right, b)
    return _products(call, left, right, a, b)


def _pair_of_axes(call: LayerCall, tensors: Sequence[Symbol]) -> tuple[int, int]:
    """The axes of two tensors that the option ``axes`` names."""
    option = call.config["axes"]
    pair = [option, option] if isinstance(option, int) else list(option)
    (a,), (b,) = (axes_of_option(call, x, axis) for x, axis in zip(tensors, pair, strict=True))
    if 0 in (a, b):
        call.refuse(f"axes={option!r} sums over the batch; only the axes after it can be summed over")
    return a, b


def _products(call: LayerCall, left: Symbol, right: Symbol, a: int, b: int) -> Symbol:
    """Sums of the products of ``left`` along its axis ``a`` with ``right`` along its axis ``b``, row by row."""
    kept = [x.shape[1:axis] + x.shape[axis + 1 :] for x, axis in ((left, a), (right, b))]
    size = left.shape[a]
    rows = call.add(Transpose(perm=[axis for axis in range(left.rank) if axis != a] + [a]), left)
    columns = call.add(Transpose(perm=[0, b, *(axis for axis in range(1, right.rank) if axis != b)]), right)
    rows = call.add(Reshape(shape=(0, *(kept[0] if len(kept[0]) == 1 else (-1,)), size)), rows)
    columns = call.add(Reshape(shape=(0, right.shape[b], *(kept[1] if len(kept[1]) == 1 else (-1,)))), columns)
    return call.add(Reshape(shape=(0, *(kept[0] + kept[1] or (1,)))), ops.matmul(rows, columns))


@layer("Merge", mask=stops, refuses="a mode that is a function")
def merge(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """Keras 1's mode "cos": products of two tensors, divided by the root of the products of each with itself.

    For matrices, unlike Dot with normalize=True, the divisor of element i, j has the products i, j in it, as in Keras.
    Other modes are read as the layer that Keras has for them today.
    """
    if call.config["mode"] != "cos":
        call.refuse("its mode is a function; use a layer such as Add, Concatenate or Dot", replacing(call.name))
    left, right = tensors = _tensors(call, inputs, 2)
    axes = _pair_of_axes(call, tensors)
    products, *squares = (_products(call, x, y, *axes) for x, y in ((left, right), (left, left), (right, right)))
    divisor = ops.maximum(ops.sqrt(ops.multiply(*squares)), ops.EPSILON)
    return ops.expand_dims(ops.divide(products, divisor), 1)


def _unit_length(call: LayerCall, x: Symbol, axis: int) -> Symbol:
    return over_axes(call, x, [axis], lambda moved: call.add(LpNormalization(axis=-1, limit=1e7), moved))
