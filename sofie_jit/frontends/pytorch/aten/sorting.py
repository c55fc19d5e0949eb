"""Sorting, and searches in sorted numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.frontends.pytorch.aten.scattering import scatter_add
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, normalize_axis
from sofie_jit.ir.operators import math as functions
from sofie_jit.ir.operators.data_dependent import Unique
from sofie_jit.ir.types import check_table, is_floating


def _top(call: AtenCall, x: Symbol, k: Dim, dim: int, largest: bool) -> tuple[Symbol, Symbol]:
    if x.rank == 0:
        return x, ops.zeros_like(x, "int64")
    axis = normalize_axis("topk", dim, x.rank)
    number = ops.cast(x, "int32") if x.dtype == "bool" else x
    last = ops.swapaxes(number, axis, -1)  # the kernel sorts rows
    values, indices = (
        ops.swapaxes(part, axis, -1) for part in call.add_all(functions.TopK(K=k, largest=largest), last)
    )
    return ops.cast(values, x.dtype), ops.cast(indices, "int64")


@aten("topk")
def topk(call: AtenCall, x: Symbol, k: Any, dim: int, largest: bool, sorted: bool) -> tuple[Symbol, Symbol]:
    """The largest or smallest elements along an axis, and their indices."""
    return _top(call, x, k, dim, largest)


@aten("sort")
def sort(call: AtenCall, x: Symbol, dim: int, descending: bool, stable: Any = None) -> tuple[Symbol, Symbol]:
    """The elements along an axis in order, and their indices."""
    size = 1 if x.rank == 0 else x.shape[normalize_axis("sort", dim, x.rank)]
    return _top(call, x, size, dim, descending)


@aten("argsort")
def argsort(call: AtenCall, x: Symbol, dim: int, descending: bool, stable: Any = None) -> Symbol:
    """The indices that sort a tensor along an axis."""
    return sort(call, x, dim, descending)[1]


@aten("msort")
def msort(call: AtenCall, x: Symbol) -> Symbol:
    """The elements along the first axis in order."""
    return sort(call, x, 0, False)[0]


@aten("kthvalue")
def kthvalue(call: AtenCall, x: Symbol, k: Dim, dim: int, keepdim: bool) -> tuple[Symbol, Symbol]:
    """The k-th smallest element along an axis, and its index."""
    axis = normalize_axis("kthvalue", dim, x.rank)
    found = tuple(ops.cut(part, [axis], [(k - 1, 0)]) for part in _top(call, x, k, dim, largest=False))
    values, indices = found if keepdim else (ops.squeeze(part, axis) for part in found)
    return values, indices


@aten("median.default")
def median(call: AtenCall, x: Symbol) -> Symbol:
    """The lower of the two elements in the middle; NaN if one is NaN."""
    return median_dim(call, ops.reshape(x, (-1,)), 0, False)[0]


@aten("median.dim")
def median_dim(call: AtenCall, x: Symbol, dim: int, keepdim: bool) -> tuple[Symbol, Symbol]:
    """The lower of the two elements in the middle along an axis, and its index."""
    if is_floating(x.dtype):
        found = ops.any(ops.isnan(x), dim, keepdim)
    axis = normalize_axis("median", dim, x.rank)
    size = x.shape[axis]
    values, indices = kthvalue(call, x, (size + 1) // 2, dim, keepdim)
    if is_floating(x.dtype):
        first = ops.cast(ops.argmax(ops.cast(ops.isnan(x), "int32"), axis, keepdim), "int64")
        return ops.where(found, math.nan, values), ops.where(found, first, indices)
    return values, indices


@aten("quantile.scalar", "quantile.default")
def quantile(call: AtenCall, x: Symbol, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Symbol:
    """Quantiles along an axis."""
    shares = q if isinstance(q, float) else call.known(q, "q")
    return ops.quantile(x, np.asarray(shares, np.float64), dim, interpolation, keepdim)


@aten("nanquantile.scalar", "nanquantile.default")
def nanquantile(call: AtenCall, x: Symbol, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Symbol:
    """Quantiles along an axis of the elements that are not NaN."""
    shares = q if isinstance(q, float) else call.known(q, "q")
    return ops.nanquantile(x, np.asarray(shares, np.float64), dim, interpolation, keepdim)


@aten("nanmedian.default")
def nanmedian(call: AtenCall, x: Symbol) -> Symbol:
    """The lower of the two elements in the middle of those that are not NaN."""
    return nanmedian_dim(call, ops.reshape(x, (-1,)), 0, False)[0]


@aten("nanmedian.dim")
def nanmedian_dim(call: AtenCall, x: Symbol, dim: int, keepdim: bool) -> tuple[Symbol, Symbol]:
    """The lower of the two elements in the middle of those that are not NaN along an axis, and its index."""
    if not is_floating(x.dtype):
        return median_dim(call, x, dim, keepdim)
    numbers = ops.cast(ops.logical_not(ops.isnan(x)), "int64")
    middle = ops.maximum(ops.floor_divide(ops.subtract(ops.sum(numbers, dim, keepdims=True), 1), 2), 0)
    found = tuple(ops.take_along_axis(part, middle, dim) for part in sort(call, x, dim, False))  # NaN comes last
    values, indices = found if keepdim else (ops.squeeze(part, dim) for part in found)
    return values, indices


@aten("_unique2")
def unique(
    call: AtenCall, x: Symbol, sorted: bool, return_inverse: bool, return_counts: bool
) -> tuple[Symbol, Symbol, Symbol]:
    """The distinct elements in ascending order, the index of each element among them, and how often each appears."""
    operator = Unique(count=call.builder.new_size("unique"))
    values, _, inverse, counts = call.add_all(operator, x)
    return values, ops.reshape(inverse, x.shape), counts


@aten("unique_dim")
def unique_dim(
    call: AtenCall, x: Symbol, dim: int, sorted: bool, return_inverse: bool, return_counts: bool
) -> tuple[Symbol, Symbol, Symbol]:
    """The distinct slices along an axis in order, the index of each slice among them, and how often each appears."""
    axis = normalize_axis("unique_dim", dim, x.rank)
    values, _, inverse, counts = call.add_all(Unique(axis=axis, count=call.builder.new_size("unique")), x)
    return values, inverse, counts


@aten("histc")
def histc(call: AtenCall, x: Symbol, bins: int, min: Any, max: Any) -> Symbol:
    """The number of elements in each of equally wide bins from ``min`` to ``max``, which belongs to the last one.

    Equal limits stand for the smallest and the largest element.
    """
    check_table("histc", bins)
    flat = call.floating(ops.reshape(x, (-1,)))
    low, high = (call.cast(limit, flat.dtype) for limit in (min, max))
    if min == max:
        low, high = ops.min(flat), ops.max(flat)
    same = ops.equal(low, high)
    low, high = ops.where(same, ops.subtract(low, 1.0), low), ops.where(same, ops.add(high, 1.0), high)
    inside = ops.logical_and(ops.greater_equal(flat, low), ops.less_equal(flat, high))
    place = ops.divide(ops.multiply(ops.subtract(flat, low), float(bins)), ops.subtract(high, low))
    index = ops.cast(ops.minimum(ops.floor(ops.where(inside, place, 0.0)), float(bins - 1)), "int64")
    counts = ops.zeros_like(call.constant(np.zeros(bins, flat.dtype), "counts"))
    return ops.cast(scatter_add(call, counts, 0, index, ops.cast(inside, flat.dtype)), x.dtype)


@aten("searchsorted.Tensor")
def searchsorted(call: AtenCall, sorted_sequence: Symbol, x: Symbol, out_int32: bool, right: bool, side: Any) -> Symbol:
    """The index at which each number can be inserted into sorted numbers."""
    if sorted_sequence.rank != 1:
        call.refuse("sorted_sequence with several axes is not supported")
    after = right or side == "right"
    found = ops.searchsorted(sorted_sequence, ops.cast(x, sorted_sequence.dtype), "right" if after else "left")
    return ops.cast(found, "int32" if out_int32 else "int64")


@aten("bucketize.Tensor")
def bucketize(call: AtenCall, x: Symbol, boundaries: Symbol, out_int32: bool, right: bool) -> Symbol:
    """The index of the interval that each number lies in."""
    found = ops.searchsorted(boundaries, ops.cast(x, boundaries.dtype), "right" if right else "left")
    return ops.cast(found, "int32" if out_int32 else "int64")


@aten("one_hot")
def one_hot(call: AtenCall, x: Symbol, num_classes: int) -> Symbol:
    """1 at each index along a new axis, 0 elsewhere."""
    if num_classes < 0:
        call.refuse("num_classes=-1 depends on the data; give the number of classes")
    return ops.one_hot(x, num_classes, -1, "int64")
