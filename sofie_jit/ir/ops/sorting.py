"""Sorting, quantiles, and searches in sorted numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import normalize_axis
from sofie_jit.ir.operators import math as functions
from sofie_jit.ir.ops.core import Axes, TensorLike, apply, cast, countable, floating, normalize_axes, promote
from sofie_jit.ir.ops.elementwise import (
    add,
    ceil,
    floor,
    greater,
    isfinite,
    isnan,
    less,
    logical_and,
    logical_not,
    multiply,
    round,
    subtract,
    where,
)
from sofie_jit.ir.ops.reductions import any, max, sum
from sofie_jit.ir.ops.shapes import (
    expand_dims,
    reshape,
    squeeze,
    stack,
    swapaxes,
    take,
    take_along_axis,
    transpose,
)
from sofie_jit.ir.size_arrays import SizeArrays
from sofie_jit.ir.symbol import Symbol


def top_k(x: Symbol, k: int, sorted: bool = True) -> tuple[Symbol, Symbol]:
    """The ``k`` largest elements along the last axis in descending order, and their indices.

    Raises ShapeError for ``sorted=False``.

    >>> values, indices = ops.top_k(x, 2)
    >>> indices
    <Symbol 'topk_1' int32 (batch, 2, 2)>
    """
    if not sorted:
        raise ShapeError("top_k with sorted=False leaves the order to the hardware; use sorted=True")
    values, indices = x.builder.add(functions.TopK(K=k), x)
    return values, indices


def _ascending(x: Symbol, axis: int) -> tuple[Symbol, Symbol]:
    """The elements along ``axis`` in ascending order, and their indices, both along the last axis."""
    last = swapaxes(countable(x), normalize_axis("sort", axis, x.rank), -1) if axis not in (-1, x.rank - 1) else x
    last = countable(last)
    values, indices = x.builder.add(functions.TopK(K=last.shape[-1], largest=False), last)
    return values, indices


def sort(x: Symbol, axis: int = -1) -> Symbol:
    """The elements along ``axis`` in ascending order, NaN last."""
    values = cast(_ascending(x, axis)[0], x.dtype)
    return values if axis in (-1, x.rank - 1) else swapaxes(values, axis, -1)


def argsort(x: Symbol, axis: int | None = -1) -> Symbol:
    """The indices that sort ``x`` along ``axis``, or the flattened ``x``; equal elements keep their order."""
    if axis is None:
        return argsort(reshape(x, (-1,)))
    indices = _ascending(x, axis)[1]
    return indices if axis in (-1, x.rank - 1) else swapaxes(indices, axis, -1)


METHODS = ("linear", "lower", "higher", "midpoint", "nearest")
"""The rules for a quantile that lies between two elements, as in numpy."""


def quantile(x: Symbol, q: Any, axis: Axes = None, method: str = "linear", keepdims: bool = False) -> Symbol:
    """The ``q``-th quantile along ``axis``, ``q`` in [0, 1], as ``numpy.quantile``.

    Several ``q`` are stacked along a new first axis. ``method`` says how a quantile between two elements is computed:
    "linear", "lower", "higher", "midpoint" or "nearest". Raises ShapeError for other methods, and if ``q`` is not
    constant.

    >>> ops.quantile(x, [0.25, 0.75], axis=-1).shape
    (2, batch, 2)
    """
    return _quantile(x, q, axis, method, keepdims, nan_counts=True)


def nanquantile(x: Symbol, q: Any, axis: Axes = None, method: str = "linear", keepdims: bool = False) -> Symbol:
    """As :func:`quantile`, ignoring NaN."""
    return _quantile(x, q, axis, method, keepdims, nan_counts=False)


def _quantile(x: Symbol, q: Any, axis: Axes, method: str, keepdims: bool, nan_counts: bool) -> Symbol:
    if isinstance(q, Symbol) or method not in METHODS:
        raise ShapeError(
            f"a quantile needs a constant q and a method among {', '.join(METHODS)}; got {q!r}, {method!r}"
        )
    x = cast(x, floating(x))
    axes, shares = normalize_axes(x, axis), np.asarray(q, np.float64)
    moved = transpose(x, [a for a in range(x.rank) if a not in axes] + axes)
    rows = reshape(moved, (*moved.shape[: -len(axes)], -1))
    ordered = sort(rows)
    results = []
    for share in shares.ravel():
        if nan_counts:
            result = _between(ordered, float(share), method)
            results.append(where(any(isnan(rows), -1), np.nan, result))
        else:
            results.append(_between_places(rows, ordered, float(share), method))
    kept = [1 if a in axes else n for a, n in enumerate(x.shape)]
    results = [reshape(result, kept) for result in results] if keepdims else results
    return stack(results, 0) if shares.ndim else results[0]


def _between(ordered: Symbol, share: float, method: str) -> Symbol:
    """The value at ``share`` of the last axis, between two elements if that is not an integer."""
    size = ordered.shape[-1]
    a = SizeArrays(ordered.builder, size)
    place = share * a.number(size - 1, "float64")
    if method in ("lower", "higher", "nearest"):
        place = {"lower": a.floor, "higher": a.ceil, "nearest": a.round}[method](place)
    at, weight = a.floor(place), place - a.floor(place)
    low, high = (take(ordered, a.cast(index, "int64"), -1) for index in (at, a.ceil(place)))
    if a.known and weight == 0:
        return low
    weight = a.cast(a.where(a.greater(weight, 0), 0.5, 0.0) if method == "midpoint" else weight, ordered.dtype)
    result = add(multiply(low, 1.0 - weight), multiply(high, weight))
    return result if a.known else where(a.greater(weight, 0), result, low)


def _between_places(rows: Symbol, ordered: Symbol, share: float, method: str) -> Symbol:
    """As :func:`_between`, among the elements that are not NaN, whose number may differ from row to row."""
    count = sum(cast(logical_not(isnan(rows)), "float64"), -1, keepdims=True)
    place = max(stack([multiply(subtract(count, 1.0), share), multiply(count, 0.0)], 0), 0)
    if method in ("lower", "higher", "nearest"):
        place = floor(place) if method == "lower" else ceil(place) if method == "higher" else round(place)
    low, high = (take_along_axis(ordered, cast(whole(place), "int32"), -1) for whole in (floor, ceil))
    between = subtract(place, floor(place))
    if method == "midpoint":
        between = where(greater(between, 0), 0.5, 0.0)
    between = cast(between, ordered.dtype)
    return squeeze(add(multiply(low, subtract(1.0, between)), multiply(high, between)), -1)


def median(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The median along ``axis``: the middle element, or the mean of the two in the middle."""
    return quantile(x, 0.5, axis, keepdims=keepdims)


def nanmedian(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """As :func:`median`, ignoring NaN."""
    return nanquantile(x, 0.5, axis, keepdims=keepdims)


def percentile(x: Symbol, q: Any, axis: Axes = None, method: str = "linear", keepdims: bool = False) -> Symbol:
    """The quantile of ``q`` percent along ``axis``; see :func:`quantile`."""
    return quantile(x, np.asarray(q) / 100, axis, method, keepdims)


def nanpercentile(x: Symbol, q: Any, axis: Axes = None, method: str = "linear", keepdims: bool = False) -> Symbol:
    """As :func:`percentile`, ignoring NaN."""
    return nanquantile(x, np.asarray(q) / 100, axis, method, keepdims)


def in_top_k(targets: Symbol, predictions: Symbol, k: int) -> Symbol:
    """Whether each row of ``predictions`` has its element at index ``targets`` among its ``k`` largest, as bool."""
    chosen = take_along_axis(predictions, expand_dims(targets, -1), -1)
    fewer = less(sum(cast(greater(predictions, chosen), "int32"), -1), k)
    return logical_and(fewer, isfinite(squeeze(chosen, -1)))


def searchsorted(sorted_sequence: TensorLike, values: Symbol, side: str = "left") -> Symbol:
    """The index at which each of ``values`` can be inserted into ``sorted_sequence`` to keep it sorted, as int32.

    With ``side="right"`` it is inserted after equal elements, else before them. Raises ShapeError for other sides.
    """
    if side not in ("left", "right"):
        raise ShapeError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    ascending, x = promote(sorted_sequence, values)
    return apply(functions.SearchSorted(right=side == "right"), x, ascending)


def digitize(x: Symbol, bins: Sequence[float]) -> Symbol:
    """The index of the interval between the ascending ``bins`` that each element lies in; lower bounds are included."""
    with np.errstate(over="ignore"):  # numbers too large for float32 become infinity
        bounds = np.asarray(bins, np.float32)  # as TensorFlow keeps them
    return searchsorted(bounds, cast(x, floating(x)), side="right")
