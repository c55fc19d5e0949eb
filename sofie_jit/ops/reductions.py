"""Sums, means, extremes and norms along axes, and sums along the way."""

from __future__ import annotations

import math
from typing import Any

from sofie_jit.builder import Symbol
from sofie_jit.errors import ShapeError
from sofie_jit.operators import math as functions
from sofie_jit.operators import reduce
from sofie_jit.operators.expand import Expand
from sofie_jit.ops.core import Axes, Value, apply, axes_of, cast, convert_to_tensor, countable, floating, promote
from sofie_jit.ops.elementwise import (
    absolute,
    add,
    divide,
    exp,
    isfinite,
    log,
    multiply,
    not_equal,
    power,
    sqrt,
    squared_difference,
    subtract,
    where,
)
from sofie_jit.ops.shapes import reshape, squeeze


def _reduce(operator: type[reduce.Reduce], x: Symbol, axis: Axes, keepdims: bool) -> Symbol:
    axes = axes_of(x, axis)
    return apply(operator(axes=axes, keepdims=keepdims), x) if axes else x


def sum(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The sum along ``axis``; None stands for all axes."""
    return _reduce(reduce.ReduceSum, countable(x), axis, keepdims)


def prod(x: Symbol, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> Symbol:
    """The product along ``axis``."""
    return _reduce(reduce.ReduceProd, countable(convert_to_tensor(x, dtype)), axis, keepdims)


def mean(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The mean along ``axis``, of integers in float32."""
    return _reduce(reduce.ReduceMean, cast(x, floating(x)), axis, keepdims)


def var(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The mean of the squared distances from the mean."""
    x = cast(x, floating(x))
    return mean(squared_difference(x, mean(x, axis, keepdims=True)), axis, keepdims)


def std(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The square root of the variance."""
    return sqrt(var(x, axis, keepdims))


def max(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The largest number along ``axis``; NaN if there is one."""
    largest = _reduce(reduce.ReduceMax, countable(x), axis, keepdims)
    return cast(largest, x.dtype)


def min(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The smallest number along ``axis``; NaN if there is one."""
    smallest = _reduce(reduce.ReduceMin, countable(x), axis, keepdims)
    return cast(smallest, x.dtype)


def any(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """Whether one along ``axis`` is true, that is, not 0."""
    return max(cast(x, "bool"), axis, keepdims)


def all(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """Whether all along ``axis`` are true, that is, not 0."""
    return min(cast(x, "bool"), axis, keepdims)


def count_nonzero(x: Symbol, axis: Axes = None) -> Symbol:
    """How many along ``axis`` are not 0, as int32."""
    return sum(cast(x, "bool"), axis)


def ptp(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The distance from the smallest to the largest number."""
    return subtract(max(x, axis, keepdims), min(x, axis, keepdims))


def average(x: Symbol, weights: Value = None, axis: Axes = None) -> Symbol:
    """The mean along ``axis``, weighted by ``weights`` if there are any."""
    if weights is None:
        return mean(x, axis)
    x, weight = promote(x, weights, dtype=floating(x, weights))
    if weight.rank == 1 and x.rank > 1 and isinstance(axis, int):
        weight = reshape(weight, [-1 if a == axis % x.rank else 1 for a in range(x.rank)])
    weighted = multiply(x, weight)
    total = sum(apply(Expand(shape=weighted.shape), weight) if weight.shape != weighted.shape else weight, axis)
    return divide(sum(weighted, axis), total)


def logsumexp(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """``log(sum(exp(x)))``, without overflow."""
    x = cast(x, floating(x))
    largest = max(x, axis, keepdims=True)
    largest = where(isfinite(largest), largest, 0)
    result = add(log(sum(exp(subtract(x, largest)), axis, keepdims=True)), largest)
    return result if keepdims else squeeze(result, axes_of(x, axis))


def norm(x: Symbol, ord: Any = None, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The norm of vectors along ``axis``: ``ord`` None, 1, 2, inf, -inf or another number; of matrices "fro" only."""
    x = cast(x, floating(x))
    axes = axes_of(x, axis)
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord in (2, "euclidean") and len(axes) == 1):
        return sqrt(_reduce(reduce.ReduceSumSquare, x, axes, keepdims))
    if len(axes) != 1 or isinstance(ord, str):
        raise ShapeError(f"norm: ord={ord!r} over axes {axes} is not translated; of matrices only 'fro' is")
    size = absolute(x)
    if ord in (math.inf, -math.inf):
        return max(size, axes, keepdims) if ord > 0 else min(size, axes, keepdims)
    if ord == 0:
        return sum(cast(not_equal(x, 0), x.dtype), axes, keepdims)
    return sum(size, axes, keepdims) if ord == 1 else power(sum(power(size, ord), axes, keepdims), 1 / ord)


def _arg(operator: type[functions.ArgMax], x: Symbol, axis: int | None, keepdims: bool) -> Symbol:
    if axis is None:
        if keepdims:
            raise ShapeError(f"{operator.__name__} over all axes with keepdims is not translated; name the axis")
        x, axis = reshape(x, (-1,)), 0
    return apply(operator(axis=axis, keepdims=keepdims), countable(x))


def argmax(x: Symbol, axis: int | None = None, keepdims: bool = False) -> Symbol:
    """Where along ``axis`` the largest number is, as int32."""
    return _arg(functions.ArgMax, x, axis, keepdims)


def argmin(x: Symbol, axis: int | None = None, keepdims: bool = False) -> Symbol:
    """Where along ``axis`` the smallest number is, as int32."""
    return _arg(functions.ArgMin, x, axis, keepdims)


def cumsum(x: Symbol, axis: int | None = None, dtype: Any = None) -> Symbol:
    """Sums along ``axis`` up to and with each place."""
    x = countable(convert_to_tensor(x, dtype))
    return apply(functions.CumSum(axis=axis), x) if axis is not None else cumsum(reshape(x, (-1,)), 0)
