"""Reductions along axes, and cumulative sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, normalize_axis, product
from sofie_jit.ir.operators import math as functions
from sofie_jit.ir.types import is_floating


def axes_of(x: Symbol, dim: Any) -> list[int]:
    """The axes of an argument ``dim``: all for None and an empty list."""
    if dim is None or dim == []:
        return list(range(x.rank))
    listed = dim if isinstance(dim, list) else [dim]
    return [] if x.rank == 0 else sorted({normalize_axis("a reduction", axis, x.rank) for axis in listed})


def _reduced(function: Callable[..., Symbol], x: Symbol, dim: Any, keepdim: bool) -> Symbol:
    axes = axes_of(x, dim)
    return function(x, axes, keepdim) if axes else x


@aten("sum")
def sum_(call: AtenCall, x: Symbol, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Symbol:
    """The sum; of integers and bool, as int64."""
    x = call.cast(x, dtype or (x.dtype if is_floating(x.dtype) else "int64"))
    return _reduced(ops.sum, x, dim, keepdim)


@aten("nansum")
def nansum(call: AtenCall, x: Symbol, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Symbol:
    """The sum without NaN."""
    zero = ops.where(ops.isnan(x), 0.0, x) if is_floating(x.dtype) else x
    return sum_(call, zero, dim, keepdim, dtype)


@aten("mean")
def mean(call: AtenCall, x: Symbol, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Symbol:
    """The mean."""
    return _reduced(ops.mean, x if dtype is None else call.cast(x, dtype), dim, keepdim)


@aten("prod")
def prod(call: AtenCall, x: Symbol, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Symbol:
    """The product; of integers and bool, as int64."""
    x = call.cast(x, dtype or (x.dtype if is_floating(x.dtype) else "int64"))
    return _reduced(ops.prod, x, dim, keepdim)


def _count(x: Symbol, axes: Sequence[int]) -> Dim:
    return product(*(x.shape[axis] for axis in axes))


def _variance(call: AtenCall, x: Symbol, dim: Any, correction: Any, keepdim: bool) -> Symbol:
    axes = axes_of(x, dim)
    squares = ops.square(ops.subtract(x, ops.mean(x, axes, keepdims=True)))
    correction = 1 if correction is None else correction
    if correction == 0:
        return ops.mean(squares, axes, keepdim)
    count = _count(x, axes)
    if isinstance(count, int):
        return ops.divide(ops.sum(squares, axes, keepdim), float(max(count - correction, 0)))
    divisor = ops.maximum(ops.subtract(ops.cast(call.symbol(count), x.dtype), float(correction)), 0.0)
    return ops.divide(ops.sum(squares, axes, keepdim), divisor)


def _correction(unbiased: Any, correction: Any) -> Any:
    return correction if unbiased is None else int(unbiased)


@aten("var")
def var(
    call: AtenCall, x: Symbol, dim: Any = None, unbiased: Any = None, correction: Any = None, keepdim: bool = False
) -> Symbol:
    """The variance; by default the sum of squares is divided by the number of elements less 1."""
    return _variance(call, x, dim, _correction(unbiased, correction), keepdim)


@aten("std")
def std(
    call: AtenCall, x: Symbol, dim: Any = None, unbiased: Any = None, correction: Any = None, keepdim: bool = False
) -> Symbol:
    """The standard deviation."""
    return ops.sqrt(_variance(call, x, dim, _correction(unbiased, correction), keepdim))


@aten("var_mean")
def var_mean(
    call: AtenCall, x: Symbol, dim: Any = None, unbiased: Any = None, correction: Any = None, keepdim: bool = False
) -> tuple[Symbol, Symbol]:
    """The variance and the mean."""
    return _variance(call, x, dim, _correction(unbiased, correction), keepdim), _reduced(ops.mean, x, dim, keepdim)


@aten("std_mean")
def std_mean(
    call: AtenCall, x: Symbol, dim: Any = None, unbiased: Any = None, correction: Any = None, keepdim: bool = False
) -> tuple[Symbol, Symbol]:
    """The standard deviation and the mean."""
    variance, average = var_mean(call, x, dim, unbiased, correction, keepdim)
    return ops.sqrt(variance), average


# -- extremes ----------------------------------------------------------------------------------------------------------


@aten("amax", "max.default")
def amax(call: AtenCall, x: Symbol, dim: Any = None, keepdim: bool = False) -> Symbol:
    """The largest element."""
    return _reduced(ops.max, x, dim, keepdim)


@aten("amin", "min.default")
def amin(call: AtenCall, x: Symbol, dim: Any = None, keepdim: bool = False) -> Symbol:
    """The smallest element."""
    return _reduced(ops.min, x, dim, keepdim)


@aten("aminmax")
def aminmax(call: AtenCall, x: Symbol, dim: Any, keepdim: bool) -> tuple[Symbol, Symbol]:
    """The smallest and the largest element."""
    return amin(call, x, dim, keepdim), amax(call, x, dim, keepdim)


def _indices(call: AtenCall, operator: type[functions.ArgMax], x: Symbol, dim: int | None, keepdim: bool) -> Symbol:
    if x.dtype == "bool":
        x = ops.cast(x, "int32")
    if x.rank == 0:
        return ops.zeros_like(x, "int64")
    if dim is None:
        flat = ops.reshape(x, (-1,))
        found = ops.cast(call.add(operator(axis=0, keepdims=False), flat), "int64")
        return ops.reshape(found, [1] * x.rank) if keepdim else found
    axis = normalize_axis("argmax", dim, x.rank)
    return ops.cast(call.add(operator(axis=axis, keepdims=keepdim), x), "int64")


@aten("argmax")
def argmax(call: AtenCall, x: Symbol, dim: int | None, keepdim: bool) -> Symbol:
    """The index of the largest element."""
    return _indices(call, functions.ArgMax, x, dim, keepdim)


@aten("argmin")
def argmin(call: AtenCall, x: Symbol, dim: int | None, keepdim: bool) -> Symbol:
    """The index of the smallest element."""
    return _indices(call, functions.ArgMin, x, dim, keepdim)


@aten("max.dim")
def max_dim(call: AtenCall, x: Symbol, dim: int, keepdim: bool) -> tuple[Symbol, Symbol]:
    """The largest element along an axis, and its index."""
    return amax(call, x, dim, keepdim), argmax(call, x, dim, keepdim)


@aten("min.dim")
def min_dim(call: AtenCall, x: Symbol, dim: int, keepdim: bool) -> tuple[Symbol, Symbol]:
    """The smallest element along an axis, and its index."""
    return amin(call, x, dim, keepdim), argmin(call, x, dim, keepdim)


@aten("any")
def any_(call: AtenCall, x: Symbol, dim: Any = None, keepdim: bool = False) -> Symbol:
    """Whether any element is not 0."""
    return _reduced(ops.any, ops.cast(x, "bool"), dim, keepdim)


@aten("all")
def all_(call: AtenCall, x: Symbol, dim: Any = None, keepdim: bool = False) -> Symbol:
    """Whether no element is 0."""
    return _reduced(ops.all, ops.cast(x, "bool"), dim, keepdim)


@aten("count_nonzero")
def count_nonzero(call: AtenCall, x: Symbol, dim: Any = None) -> Symbol:
    """The number of elements that are not 0."""
    return _reduced(ops.sum, ops.cast(ops.cast(x, "bool"), "int64"), dim, False)


# -- norms and exponentials --------------------------------------------------------------------------------------------


@aten("norm", "linalg_vector_norm")
def norm(
    call: AtenCall, x: Symbol, p: Any = 2, ord: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Symbol:
    """The p-norm of the elements along axes."""
    x = call.floating(x) if dtype is None else call.cast(x, dtype)
    order = ord if call.schema.name.startswith("linalg") else p
    return _norm(x, 2.0 if order is None else float(order), axes_of(x, dim), keepdim)


def _norm(x: Symbol, order: float, axes: list[int], keepdim: bool) -> Symbol:
    if not axes:
        return ops.absolute(x)
    if order == 2:
        return ops.norm(x, None, axes, keepdim)
    size = ops.absolute(x)
    if order in (math.inf, -math.inf):
        return (ops.max if order > 0 else ops.min)(size, axes, keepdim)
    if order == 0:
        return ops.sum(ops.cast(ops.not_equal(x, 0.0), x.dtype), axes, keepdim)
    return (
        ops.sum(size, axes, keepdim)
        if order == 1
        else ops.power(ops.sum(ops.power(size, order), axes, keepdim), 1 / order)
    )


@aten("frobenius_norm")
def frobenius_norm(call: AtenCall, x: Symbol, dim: Any, keepdim: bool) -> Symbol:
    """The Euclidean norm of the elements along axes."""
    return _norm(call.floating(x), 2.0, axes_of(x, dim), keepdim)


@aten("logsumexp", "special_logsumexp")
def logsumexp(call: AtenCall, x: Symbol, dim: Any, keepdim: bool) -> Symbol:
    """``log(sum(exp(x)))``."""
    return _reduced(ops.logsumexp, call.floating(x), dim, keepdim)


@aten("dist")
def dist(call: AtenCall, x: Symbol, other: Symbol, p: Any) -> Symbol:
    """The p-norm of the difference."""
    difference = ops.subtract(*call.promoted(x, other))
    return _norm(difference, float(p), list(range(difference.rank)), False)


@aten("pairwise_distance")
def pairwise_distance(call: AtenCall, x1: Symbol, x2: Symbol, p: float, eps: float, keepdim: bool) -> Symbol:
    """The p-norm of the difference of rows."""
    difference = ops.add(ops.subtract(*call.promoted(x1, x2)), eps)
    return _norm(difference, p, [difference.rank - 1], keepdim)


@aten("cdist", "_cdist_forward")
def cdist(call: AtenCall, x1: Symbol, x2: Symbol, p: float, compute_mode: Any) -> Symbol:
    """The distance of each row of ``x1`` from each row of ``x2``."""
    difference = ops.subtract(ops.expand_dims(x1, -2), ops.expand_dims(x2, -3))
    return _norm(difference, p, [difference.rank - 1], False)


@aten("trace")
def trace(call: AtenCall, x: Symbol) -> Symbol:
    """The sum of the diagonal."""
    return ops.trace(x)


# -- along an axis -----------------------------------------------------------------------------------------------------


def _cumulative(call: AtenCall, operator: type[functions.CumSum], x: Symbol, dim: int, dtype: Any) -> Symbol:
    x = call.cast(x, dtype or (x.dtype if is_floating(x.dtype) else "int64"))
    return x if x.rank == 0 else call.add(operator(axis=normalize_axis("cumsum", dim, x.rank)), x)


@aten("cumsum")
def cumsum(call: AtenCall, x: Symbol, dim: int, dtype: Any) -> Symbol:
    """Sums along an axis up to each element."""
    return _cumulative(call, functions.CumSum, x, dim, dtype)


@aten("cumprod")
def cumprod(call: AtenCall, x: Symbol, dim: int, dtype: Any) -> Symbol:
    """Products along an axis up to each element."""
    return _cumulative(call, functions.CumProd, x, dim, dtype)


@aten("diff")
def diff(call: AtenCall, x: Symbol, n: int, dim: int, prepend: Symbol | None, append: Symbol | None) -> Symbol:
    """Differences of neighbors along an axis."""
    parts = [part for part in (prepend, x, append) if part is not None]
    return ops.diff(ops.concatenate(parts, dim) if len(parts) > 1 else x, n, dim)


@aten("logcumsumexp")
def logcumsumexp(call: AtenCall, x: Symbol, dim: int) -> Symbol:
    """Logarithms of sums of exponentials along an axis up to each element."""
    x = call.floating(x)
    top = ops.max(x, dim, keepdims=True)  # of the whole axis: terms far below it are lost, as in a plain sum
    return ops.add(ops.log(cumsum(call, ops.exp(ops.subtract(x, top)), dim, None)), top)


@aten("trapezoid", "trapz")
def trapezoid(call: AtenCall, y: Symbol, x: Symbol | None = None, dx: Any = 1, dim: int = -1) -> Symbol:
    """The integral along an axis by trapezoids."""
    return ops.trapezoid(call.floating(y), x, dx, dim)


@aten("nanmean")
def nanmean(call: AtenCall, x: Symbol, dim: Any, keepdim: bool, dtype: Any) -> Symbol:
    """The mean of the elements that are not NaN."""
    return ops.nanmean(call.floating(x) if dtype is None else call.cast(x, dtype), axes_of(x, dim), keepdim)
