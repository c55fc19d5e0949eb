"""Sums, means, extremes and norms along axes, and sums along the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sofie_jit.errors import ShapeError
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators import math as functions
from sofie_jit.ir.operators import reduce
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.operator import static_dim as static
from sofie_jit.ir.ops.core import (
    Axes,
    Value,
    apply,
    axes_of,
    cast,
    convert,
    convert_to_tensor,
    countable,
    floating,
    promote,
)
from sofie_jit.ir.ops.elementwise import (
    absolute,
    add,
    divide,
    equal,
    exp,
    isclose,
    isfinite,
    isnan,
    log,
    logical_not,
    multiply,
    not_equal,
    power,
    sqrt,
    squared_difference,
    subtract,
    where,
)
from sofie_jit.ir.ops.shapes import diagonal, diff, expand_dims, moveaxis, reshape, slice_along, squeeze


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


def trace(x: Symbol, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Symbol:
    """The sum along a diagonal."""
    return sum(diagonal(x, offset, axis1, axis2), -1)


def trapezoid(y: Symbol, x: Value = None, dx: float = 1.0, axis: int = -1) -> Symbol:
    """The integral of ``y`` along ``axis`` by the trapezoidal rule, at the places ``x`` or ``dx`` apart."""
    y = moveaxis(cast(y, floating(y)), axis, -1)
    size = static("trapezoid", y.shape, -1)
    sides = add(slice_along(y, -1, 1, size), slice_along(y, -1, 0, size - 1))
    if x is None:
        return multiply(sum(sides, -1), dx / 2)
    places = convert(x, y.dtype, y.builder)
    return divide(sum(multiply(diff(moveaxis(places, axis, -1) if places.rank > 1 else places), sides), -1), 2.0)


def allclose(x1: Value, x2: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Symbol:
    """Whether all numbers are close, of the whole batch."""
    return all(isclose(x1, x2, rtol, atol, equal_nan))


def isin(x1: Value, x2: Value, assume_unique: bool = False, invert: bool = False) -> Symbol:
    """Whether every number of ``x1`` is among those of ``x2``."""
    a, b = promote(x1, x2)
    found = any(equal(expand_dims(a, -1), reshape(b, (-1,))), -1)
    return logical_not(found) if invert else found


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


# -- without NaN -----------------------------------------------------------------------------------------------------


def _without_nan(function: Callable[..., Symbol], neutral: float) -> Callable[..., Symbol]:
    def reduction(x: Symbol, *args: Any, **kwargs: Any) -> Symbol:
        return function(_filled(x, neutral), *args, **kwargs)

    reduction.__doc__ = f"As :func:`{function.__name__}`, leaving NaN out."
    return reduction


def _filled(x: Symbol, value: float) -> Symbol:
    return where(isnan(x), value, x) if x.dtype.startswith("float") else x


def nanmean(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The mean of what is not NaN."""
    x = cast(x, floating(x))
    numbers = sum(cast(logical_not(isnan(x)), x.dtype), axis, keepdims)
    return divide(nansum(x, axis, keepdims), numbers)


def nanvar(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The variance of what is not NaN."""
    x = cast(x, floating(x))
    return nanmean(squared_difference(x, nanmean(x, axis, keepdims=True)), axis, keepdims)


def nanstd(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The standard deviation of what is not NaN."""
    return sqrt(nanvar(x, axis, keepdims))


def nanmax(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The largest of what is not NaN; NaN where there is nothing else."""
    return _unless_all_nan(x, max(_filled(x, -math.inf), axis, keepdims), math.nan, axis, keepdims)


def nanmin(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The smallest of what is not NaN; NaN where there is nothing else."""
    return _unless_all_nan(x, min(_filled(x, math.inf), axis, keepdims), math.nan, axis, keepdims)


def nanargmax(x: Symbol, axis: int | None = None, keepdims: bool = False) -> Symbol:
    """Where the largest of what is not NaN is; -1 where there is nothing else."""
    return _unless_all_nan(x, argmax(_filled(x, -math.inf), axis, keepdims), -1, axis, keepdims)


def nanargmin(x: Symbol, axis: int | None = None, keepdims: bool = False) -> Symbol:
    """Where the smallest of what is not NaN is; -1 where there is nothing else."""
    return _unless_all_nan(x, argmin(_filled(x, math.inf), axis, keepdims), -1, axis, keepdims)


def _unless_all_nan(x: Symbol, result: Symbol, otherwise: float, axis: Axes, keepdims: bool) -> Symbol:
    return where(all(isnan(x), axis, keepdims), otherwise, result) if x.dtype.startswith("float") else result


# -- places and sums along the way -----------------------------------------------------------------------------------


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


def cumprod(x: Symbol, axis: int | None = None, dtype: Any = None) -> Symbol:
    """Products along ``axis`` up to and with each place."""
    x = countable(convert_to_tensor(x, dtype))
    return apply(functions.CumProd(axis=axis), x) if axis is not None else cumprod(reshape(x, (-1,)), 0)


nansum = _without_nan(sum, 0)
nanprod = _without_nan(prod, 1)
nancumsum = _without_nan(cumsum, 0)
nancumprod = _without_nan(cumprod, 1)
