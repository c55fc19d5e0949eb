"""Reductions along axes: sums, means, extremes, norms; and cumulative sums.

``axis`` is one axis, several, or None for all. The result lacks these axes, or has them with size 1 if ``keepdims``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators import math as functions
from sofie_jit.ir.operators import reduce
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.ops.core import (
    Axes,
    TensorLike,
    apply,
    cast,
    convert,
    convert_to_tensor,
    countable,
    floating,
    normalize_axes,
    promote,
)
from sofie_jit.ir.ops.elementwise import (
    absolute,
    add,
    divide,
    equal,
    exp,
    greater,
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
from sofie_jit.ir.symbol import Symbol
from sofie_jit.ir.types import is_floating


def _reduce(operator: type[reduce.Reduce], x: Symbol, axis: Axes, keepdims: bool) -> Symbol:
    axes = normalize_axes(x, axis)
    return apply(operator(axes=axes, keepdims=keepdims), x) if axes else x


def sum(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The sum along ``axis``; booleans are added as integers.

    >>> ops.sum(x, axis=-1)
    <Symbol 'reducesum' float32 (batch, 2)>
    >>> ops.sum(x > 0, axis=(1, 2), keepdims=True)
    <Symbol 'reducesum_1' int32 (batch, 1, 1)>
    """
    return _reduce(reduce.ReduceSum, countable(x), axis, keepdims)


def prod(x: Symbol, axis: Axes = None, keepdims: bool = False, dtype: Any = None) -> Symbol:
    """The product along ``axis``, of ``x`` converted to ``dtype`` unless that is None."""
    return _reduce(reduce.ReduceProd, countable(convert_to_tensor(x, dtype)), axis, keepdims)


def mean(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The mean along ``axis``, in floating point."""
    return _reduce(reduce.ReduceMean, cast(x, floating(x)), axis, keepdims)


def var(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The variance along ``axis``: the mean squared difference from the mean."""
    x = cast(x, floating(x))
    return mean(squared_difference(x, mean(x, axis, keepdims=True)), axis, keepdims)


def std(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The standard deviation along ``axis``: the square root of the variance."""
    return sqrt(var(x, axis, keepdims))


def max(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The largest element along ``axis``; NaN if one is NaN. That of no elements is the smallest value of the type."""
    largest = _reduce(reduce.ReduceMax, countable(x), axis, keepdims)
    return greater(largest, 0) if x.dtype == "bool" else largest


def min(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The smallest element along ``axis``; NaN if one is NaN."""
    smallest = _reduce(reduce.ReduceMin, countable(x), axis, keepdims)
    return cast(smallest, x.dtype)


def any(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """Whether any element along ``axis`` is true, that is, not 0."""
    return max(cast(x, "bool"), axis, keepdims)


def all(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """Whether all elements along ``axis`` are true, that is, not 0."""
    return min(cast(x, "bool"), axis, keepdims)


def count_nonzero(x: Symbol, axis: Axes = None) -> Symbol:
    """The number of elements along ``axis`` that are not 0, as an integer."""
    return sum(cast(x, "bool"), axis)


def ptp(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The difference of the largest and the smallest element along ``axis`` ("peak to peak")."""
    return subtract(max(x, axis, keepdims), min(x, axis, keepdims))


def average(x: Symbol, weights: TensorLike = None, axis: Axes = None) -> Symbol:
    """The mean along ``axis``, weighted by ``weights`` unless that is None.

    ``weights`` have the shape of ``x``, or one axis: one weight per index of ``axis``.
    """
    if weights is None:
        return mean(x, axis)
    x, weight = promote(x, weights, dtype=floating(x, weights))
    if weight.rank == 1 and x.rank > 1 and isinstance(axis, int):
        weight = reshape(weight, [-1 if a == axis % x.rank else 1 for a in range(x.rank)])
    weighted = multiply(x, weight)
    total = sum(apply(Expand(shape=weighted.shape), weight) if weight.shape != weighted.shape else weight, axis)
    return divide(sum(weighted, axis), total)


def trace(x: Symbol, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Symbol:
    """The sum of the elements of a diagonal; see :func:`diagonal`."""
    return sum(diagonal(x, offset, axis1, axis2), -1)


def trapezoid(y: Symbol, x: TensorLike = None, dx: float = 1.0, axis: int = -1) -> Symbol:
    """The integral of ``y`` along ``axis`` by the trapezoidal rule; samples are at ``x``, or ``dx`` apart."""
    y = moveaxis(cast(y, floating(y)), axis, -1)
    size = y.shape[-1]
    sides = add(slice_along(y, -1, 1, size), slice_along(y, -1, 0, size - 1))
    if x is None:
        return multiply(sum(sides, -1), dx / 2)
    points = convert(x, y.dtype, y.builder)
    return divide(sum(multiply(diff(moveaxis(points, axis, -1) if points.rank > 1 else points), sides), -1), 2.0)


def allclose(x1: TensorLike, x2: TensorLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Symbol:
    """Whether all elements of the whole batch are close, a scalar; see :func:`isclose`."""
    return all(isclose(x1, x2, rtol, atol, equal_nan))


def isin(x1: TensorLike, x2: TensorLike, assume_unique: bool = False, invert: bool = False) -> Symbol:
    """Whether each element of ``x1`` is equal to one of ``x2``, or to none with ``invert``; has the shape of ``x1``."""
    a, b = promote(x1, x2)
    found = any(equal(expand_dims(a, -1), reshape(b, (-1,))), -1)
    return logical_not(found) if invert else found


def logsumexp(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """``log(sum(exp(x)))`` along ``axis``, computed without overflow."""
    x = cast(x, floating(x))
    largest = max(x, axis, keepdims=True)
    largest = where(isfinite(largest), largest, 0)
    result = add(log(sum(exp(subtract(x, largest)), axis, keepdims=True)), largest)
    return result if keepdims else squeeze(result, normalize_axes(x, axis))


def norm(x: Symbol, ord: Any = None, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The norm along ``axis``, as ``numpy.linalg.norm``.

    ``ord`` is None or 2 (Euclidean), 0, 1, inf, -inf or another number for vectors, that is, one axis; for more axes
    None, and "fro" for two. Raises ShapeError for other norms of matrices.

    >>> ops.norm(x, axis=-1).shape
    (batch, 2)
    """
    x = cast(x, floating(x))
    axes = normalize_axes(x, axis)
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord in (2, "euclidean") and len(axes) == 1):
        return sqrt(_reduce(reduce.ReduceSumSquare, x, axes, keepdims))
    if len(axes) != 1 or isinstance(ord, str):
        raise ShapeError(f"norm: ord={ord!r} over axes {axes} is not supported; the only norm of matrices is 'fro'")
    size = absolute(x)
    if ord in (math.inf, -math.inf):
        return max(size, axes, keepdims) if ord > 0 else min(size, axes, keepdims)
    if ord == 0:
        return sum(cast(not_equal(x, 0), x.dtype), axes, keepdims)
    return sum(size, axes, keepdims) if ord == 1 else power(sum(power(size, ord), axes, keepdims), 1 / ord)


# -- ignoring NaN ----------------------------------------------------------------------------------------------------


def _without_nan(name: str, function: Callable[..., Symbol], neutral: float) -> Callable[..., Symbol]:
    def reduction(x: Symbol, *args: Any, **kwargs: Any) -> Symbol:
        return function(_filled(x, neutral), *args, **kwargs)

    reduction.__name__ = reduction.__qualname__ = name
    reduction.__doc__ = f"As :func:`{function.__name__}`, ignoring NaN."
    return reduction


def _filled(x: Symbol, value: float) -> Symbol:
    return where(isnan(x), value, x) if is_floating(x.dtype) else x


def nanmean(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The mean along ``axis``, ignoring NaN."""
    x = cast(x, floating(x))
    numbers = sum(cast(logical_not(isnan(x)), x.dtype), axis, keepdims)
    return divide(nansum(x, axis, keepdims), numbers)


def nanvar(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The variance along ``axis``, ignoring NaN."""
    x = cast(x, floating(x))
    return nanmean(squared_difference(x, nanmean(x, axis, keepdims=True)), axis, keepdims)


def nanstd(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The standard deviation along ``axis``, ignoring NaN."""
    return sqrt(nanvar(x, axis, keepdims))


def nanmax(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The largest element along ``axis``, ignoring NaN; NaN where all are."""
    return _unless_all_nan(x, max(_filled(x, -math.inf), axis, keepdims), math.nan, axis, keepdims)


def nanmin(x: Symbol, axis: Axes = None, keepdims: bool = False) -> Symbol:
    """The smallest element along ``axis``, ignoring NaN; NaN where all are."""
    return _unless_all_nan(x, min(_filled(x, math.inf), axis, keepdims), math.nan, axis, keepdims)


def nanargmax(x: Symbol, axis: int | None = None, keepdims: bool = False) -> Symbol:
    """The index of the largest element along ``axis``, ignoring NaN; -1 where all are."""
    return _unless_all_nan(x, argmax(_filled(x, -math.inf), axis, keepdims), -1, axis, keepdims)


def nanargmin(x: Symbol, axis: int | None = None, keepdims: bool = False) -> Symbol:
    """The index of the smallest element along ``axis``, ignoring NaN; -1 where all are."""
    return _unless_all_nan(x, argmin(_filled(x, math.inf), axis, keepdims), -1, axis, keepdims)


def _unless_all_nan(x: Symbol, result: Symbol, otherwise: float, axis: Axes, keepdims: bool) -> Symbol:
    return where(all(isnan(x), axis, keepdims), otherwise, result) if is_floating(x.dtype) else result


# -- indices and cumulative sums -------------------------------------------------------------------------------------


def _arg(operator: type[functions.ArgMax], x: Symbol, axis: int | None, keepdims: bool) -> Symbol:
    if axis is None:
        if keepdims:
            raise ShapeError(f"{operator.__name__} over all axes with keepdims is not supported; give the axis")
        x, axis = reshape(x, (-1,)), 0
    return apply(operator(axis=axis, keepdims=keepdims), countable(x))


def argmax(x: Symbol, axis: int | None = None, keepdims: bool = False) -> Symbol:
    """The index of the largest element along ``axis``, or in the flattened tensor, as int32; the first of equals."""
    return _arg(functions.ArgMax, x, axis, keepdims)


def argmin(x: Symbol, axis: int | None = None, keepdims: bool = False) -> Symbol:
    """The index of the smallest element along ``axis``, or in the flattened tensor, as int32; the first of equals."""
    return _arg(functions.ArgMin, x, axis, keepdims)


def cumsum(x: Symbol, axis: int | None = None, dtype: Any = None) -> Symbol:
    """Cumulative sums along ``axis``, or of the flattened tensor; computed in ``dtype`` unless that is None."""
    x = countable(convert_to_tensor(x, dtype))
    return apply(functions.CumSum(axis=axis), x) if axis is not None else cumsum(reshape(x, (-1,)), 0)


def cumprod(x: Symbol, axis: int | None = None, dtype: Any = None) -> Symbol:
    """Cumulative products along ``axis``, or of the flattened tensor; computed in ``dtype`` unless that is None."""
    x = countable(convert_to_tensor(x, dtype))
    return apply(functions.CumProd(axis=axis), x) if axis is not None else cumprod(reshape(x, (-1,)), 0)


nansum = _without_nan("nansum", sum, 0)
nanprod = _without_nan("nanprod", prod, 1)
nancumsum = _without_nan("nancumsum", cumsum, 0)
nancumprod = _without_nan("nancumprod", cumprod, 1)
