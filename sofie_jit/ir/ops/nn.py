"""Functions of neural networks: activations, normalization, attention, losses, blocks of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sofie_jit.ir import dims
from sofie_jit.ir.dims import Dim, product
from sofie_jit.ir.dims import static_dim as static
from sofie_jit.ir.operators import activations
from sofie_jit.ir.operators.softmax import GLU, AlongAxis, LogSoftmax, Softmax, Sparsemax
from sofie_jit.ir.ops.core import EPSILON, Axes, TensorLike, apply, cast, convert, floating, normalize_axes, promote
from sofie_jit.ir.ops.einstein_sum import einsum
from sofie_jit.ir.ops.elementwise import (
    absolute,
    add,
    clip,
    divide,
    exp,
    log,
    log1p,
    logical_and,
    maximum,
    multiply,
    negative,
    rsqrt,
    sqrt,
    square,
    subtract,
    where,
)
from sofie_jit.ir.ops.reductions import max, mean, norm, sum, var
from sofie_jit.ir.ops.shapes import (
    expand_dims,
    inverse,
    lower_triangle,
    moveaxis,
    one_hot,
    pad,
    repeat,
    reshape,
    squeeze,
    take,
    transpose,
)
from sofie_jit.ir.size_arrays import SizeArrays
from sofie_jit.ir.symbol import Symbol
from sofie_jit.ir.types import check_table, is_integer


def activation(operator: activations.Activation | AlongAxis, x: Symbol) -> Symbol:
    """``operator`` applied to ``x``; integers become floating point unless the operator is defined for them."""
    exact = is_integer(x.dtype) and getattr(operator, "integers", False)
    return apply(operator, x if exact else cast(x, floating(x)))


def relu(x: Symbol) -> Symbol:
    """``max(x, 0)``."""
    return activation(activations.Relu(), x)


def sigmoid(x: Symbol) -> Symbol:
    """``1 / (1 + e^-x)``."""
    return activation(activations.Sigmoid(), x)


def softplus(x: Symbol) -> Symbol:
    """``log(1 + e^x)``."""
    return activation(activations.Softplus(), x)


def silu(x: Symbol) -> Symbol:
    """``x * sigmoid(x)``."""
    return activation(activations.Swish(), x)


def leaky_relu(x: Symbol, negative_slope: float = 0.2) -> Symbol:
    """``x`` where it is positive, else ``negative_slope * x``."""
    return activation(activations.LeakyRelu(alpha=negative_slope), x)


def elu(x: Symbol, alpha: float = 1.0) -> Symbol:
    """``x`` where it is positive, else ``alpha * (e^x - 1)``."""
    return activation(activations.Elu(alpha=alpha), x)


def celu(x: Symbol, alpha: float = 1.0) -> Symbol:
    """``x`` where it is positive, else ``alpha * (e^(x / alpha) - 1)``."""
    return activation(activations.Celu(alpha=alpha), x)


def gelu(x: Symbol, approximate: bool = True) -> Symbol:
    """``x * P(X <= x)`` for a normally distributed X; by default the approximation by tanh, as in ``keras.ops``."""
    return activation(activations.Gelu(approximate="tanh" if approximate else "none"), x)


def hard_shrink(x: Symbol, threshold: float = 0.5) -> Symbol:
    """0 where ``|x| <= threshold``, else ``x``."""
    return activation(activations.Shrink(lambd=threshold, bias=0.0), x)


def soft_shrink(x: Symbol, threshold: float = 0.5) -> Symbol:
    """0 where ``|x| <= threshold``, else ``x`` moved towards 0 by ``threshold``."""
    return activation(activations.Shrink(lambd=threshold, bias=threshold), x)


def squareplus(x: Symbol, b: float = 4) -> Symbol:
    """``(x + sqrt(x^2 + b)) / 2``."""
    return activation(activations.Squareplus(b=b), x)


def threshold(x: Symbol, threshold: float, default_value: float) -> Symbol:
    """``x`` where it is greater than ``threshold``, else ``default_value``."""
    return activation(activations.Threshold(threshold=threshold, value=default_value), x)


def _along_axes(operator: Callable[..., AlongAxis], x: Symbol, axis: Axes) -> Symbol:
    x = cast(x, floating(x))
    if isinstance(axis, int):
        return apply(operator(axis=axis), x)
    axes = normalize_axes(x, axis)
    order = [a for a in range(x.rank) if a not in axes] + axes
    moved = transpose(x, order)
    rows = reshape(moved, (*moved.shape[: -len(axes)], -1))
    return transpose(reshape(apply(operator(axis=-1), rows), moved.shape), inverse(order))


def softmax(x: Symbol, axis: Axes = -1) -> Symbol:
    """``e^x`` divided by its sum along ``axis``: one axis, several, or None for all.

    >>> ops.softmax(x, axis=(1, 2)).shape
    (batch, 2, 3)
    """
    return _along_axes(Softmax, x, axis)


def log_softmax(x: Symbol, axis: Axes = -1) -> Symbol:
    """The logarithm of :func:`softmax`."""
    return _along_axes(LogSoftmax, x, axis)


def sparsemax(x: Symbol, axis: int = -1) -> Symbol:
    """The Euclidean projection of ``x`` along ``axis`` onto the probabilities, of which many are 0."""
    return apply(Sparsemax(axis=axis), x)


def glu(x: Symbol, axis: int = -1) -> Symbol:
    """The first half of ``x`` along ``axis`` times the sigmoid of the second half."""
    return apply(GLU(axis=axis), x)


def moments(x: Symbol, axes: Axes, keepdims: bool = False) -> tuple[Symbol, Symbol]:
    """The mean and the variance along ``axes``."""
    return mean(x, axes, keepdims), var(x, axes, keepdims)


def normalize(x: Symbol, axis: Axes = -1, order: Any = 2, epsilon: float | None = None) -> Symbol:
    """``x`` divided by its norm along ``axis``, or by ``epsilon`` (default 1e-7) where the norm is smaller."""
    x = cast(x, floating(x))
    return divide(x, maximum(norm(x, order, axis, keepdims=True), EPSILON if epsilon is None else epsilon))


def multi_hot(inputs: Symbol, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Symbol:
    """1 at the indices that the last axis of ``inputs`` has, 0 elsewhere, along an axis of size ``num_classes``.

    >>> ops.multi_hot(n, 5)
    <Symbol 'reducemax' float32 (batch, 5)>
    """
    hot = one_hot(inputs, num_classes, axis, dtype, sparse)
    return hot if inputs.rank < 2 else max(hot, axis=1)


# -- normalization, attention, losses --------------------------------------------------------------------------------


def _aligned(x: Symbol, values: TensorLike, axes: Sequence[int]) -> Symbol:
    """``values``, which are given for ``axes`` of ``x``, reshaped so that they broadcast with ``x``."""
    (tensor,) = promote(values, dtype=x.dtype) if isinstance(values, Symbol) else (convert(values, x.dtype, x.builder),)
    return reshape(tensor, [n if a in axes else 1 for a, n in enumerate(x.shape)])


def batch_normalization(
    x: Symbol,
    mean: TensorLike,
    variance: TensorLike,
    axis: int,
    offset: TensorLike = None,
    scale: TensorLike = None,
    epsilon: float = 1e-3,
) -> Symbol:
    """``(x - mean) / sqrt(variance + epsilon) * scale + offset``, with one element of each per index of ``axis``."""
    x = cast(x, floating(x))
    axes = normalize_axes(x, axis)
    factor = rsqrt(add(_aligned(x, variance, axes), epsilon))
    factor = factor if scale is None else multiply(factor, _aligned(x, scale, axes))
    y = multiply(subtract(x, _aligned(x, mean, axes)), factor)
    return y if offset is None else add(y, _aligned(x, offset, axes))


def layer_normalization(
    x: Symbol, gamma: TensorLike = None, beta: TensorLike = None, axis: Axes = -1, epsilon: float | None = None,
    rms_scaling: bool = False,
) -> Symbol:  # fmt: skip
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta``, with mean and variance of ``x`` along ``axis``.

    With ``rms_scaling`` neither the mean is subtracted nor ``beta`` added. ``epsilon`` is by default 1e-7.
    """
    x = cast(x, floating(x))
    axes = normalize_axes(x, axis)
    spread = var(x, axes, keepdims=True)
    centered = x if rms_scaling else subtract(x, mean(x, axes, keepdims=True))
    y = multiply(centered, rsqrt(add(spread, EPSILON if epsilon is None else epsilon)))
    y = y if gamma is None else multiply(y, _aligned(x, gamma, axes))
    return y if beta is None or rms_scaling else add(y, _aligned(x, beta, axes))


def dot_product_attention(
    query: Symbol, key: Symbol, value: Symbol, bias: TensorLike = None, mask: TensorLike = None,
    scale: float | None = None, is_causal: bool = False,
) -> Symbol:  # fmt: skip
    """``softmax(scale * query key^T + bias) value`` for each head.

    ``query`` is (batch, targets, heads, size), ``key`` and ``value`` are (batch, sources, heads, size); they may have
    fewer heads, each of which then serves several of ``query``. ``bias`` and ``mask`` broadcast to (batch, heads,
    targets, sources). ``scale`` is by default ``1 / sqrt(size)``. The result has the shape of ``query``.

    >>> q = ops.reshape(x, (-1, 2, 1, 3))
    >>> ops.dot_product_attention(q, q, q, is_causal=True).shape
    (batch, 2, 1, 3)
    """
    query, key, value = promote(query, key, value)
    heads, groups, size = (static("dot_product_attention", x.shape, a) for x, a in ((query, 2), (key, 2), (key, 3)))
    if heads > groups > 1:
        key, value = (repeat(x, heads // groups, axis=2) for x in (key, value))
    scores = einsum("btnh,bsnh->bnts", query, key)
    scores = multiply(scores, 1 / math.sqrt(size) if scale is None else scale)
    scores = scores if bias is None else add(scores, bias)
    if is_causal:
        below = lower_triangle(query.builder, scores.shape[-2], scores.shape[-1])
        mask = below if mask is None else logical_and(mask, below)
    if mask is not None:
        scores = where(convert(mask, "bool", query.builder), scores, float(-0.7 * np.finfo(scores.dtype).max))
    return einsum("bnts,bsnh->btnh", softmax(scores), value)


def binary_crossentropy(target: TensorLike, output: Symbol, from_logits: bool = False) -> Symbol:
    """The binary cross entropy of each element of ``output``: a probability, or its logit with ``from_logits``."""
    if from_logits:
        overlap = subtract(relu(output), multiply(output, target))
        return add(overlap, log1p(exp(negative(absolute(output)))))
    output = clip(output, EPSILON, 1 - EPSILON)
    target = cast(target, output.dtype) if isinstance(target, Symbol) else target
    other = multiply(subtract(1.0, target), log(subtract(1.0, output)))
    return negative(add(multiply(target, log(output)), other))


def categorical_crossentropy(target: TensorLike, output: Symbol, from_logits: bool = False, axis: int = -1) -> Symbol:
    """The cross entropy of distributions along ``axis``: probabilities, or their logits with ``from_logits``."""
    if from_logits:
        return negative(sum(multiply(target, log_softmax(output, axis)), axis))
    output = clip(divide(output, sum(output, axis, keepdims=True)), EPSILON, 1 - EPSILON)
    return negative(sum(multiply(target, log(output)), axis))


def sparse_categorical_crossentropy(
    target: Symbol, output: Symbol, from_logits: bool = False, axis: int = -1
) -> Symbol:
    """As :func:`categorical_crossentropy`, for targets that are indices of classes along ``axis``."""
    if target.rank == output.rank and target.shape[-1] == 1:
        target = squeeze(target, -1)
    if not from_logits:
        output, from_logits = log(clip(output, EPSILON, 1 - EPSILON)), True
    hot = one_hot(target, static("sparse_categorical_crossentropy", output.shape, axis), axis, output.dtype)
    return categorical_crossentropy(hot, output, from_logits, axis)


def cdist(x: TensorLike, y: TensorLike) -> Symbol:
    """The distance of each row of ``x`` (..., n, k) from each row of ``y`` (..., m, k): (..., n, m)."""
    a, b = promote(x, y, dtype=floating(x, y))
    difference = subtract(expand_dims(a, -2), expand_dims(b, -3))
    return sqrt(sum(square(difference), -1))


# -- blocks of images ------------------------------------------------------------------------------------------------


def _pair(value: Any) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return first, second


def windows(x: Symbol, axis: int, size: int, stride: int = 1, dilation: int = 1, count: Dim | None = None) -> Symbol:
    """``axis`` replaced by two: the windows along it, and the elements of each window.

    ``count``: the number of windows, if it is known to be this one; by default all that fit.
    """
    if count is None:
        count = dims.maximum((x.shape[axis] - (size - 1) * dilation - 1) // stride + 1, 0)
    check_table("windows", *(n for n in (count, size) if isinstance(n, int)))
    a = SizeArrays(x.builder, count)
    starts = a.expand_dims(a.arange(count) * a.number(stride, "int64"), 1)
    return take(x, starts + a.arange(size) * a.number(dilation, "int64"), axis)


def unfold(input: Symbol, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Symbol:
    """The windows of images (batch, channels, rows, columns) as columns of a matrix, as ``torch.nn.functional.unfold``.

    The result is (batch, channels * elements of a window, number of windows).
    """
    (top, left), sizes, dilations, strides = map(_pair, (padding, kernel_size, dilation, stride))
    x = pad(input, [(0, 0), (0, 0), (top, top), (left, left)])
    for axis in (1, 0):
        x = windows(x, 2 + axis, sizes[axis], strides[axis], dilations[axis])
    batch, channels, rows, height, columns, width = x.shape
    blocks = transpose(x, (0, 1, 3, 5, 2, 4))
    return reshape(blocks, (batch, product(channels, height, width), product(rows, columns)))


def depth_to_space(x: Symbol, block_size: int, data_format: str = "channels_last") -> Symbol:
    """Channels rearranged to blocks of ``block_size`` x ``block_size`` pixels; the inverse of `space_to_depth`."""
    if data_format == "channels_first":
        return moveaxis(depth_to_space(moveaxis(x, 1, -1), block_size), -1, 1)
    batch, height, width, channels = x.shape
    n, depth = block_size, channels // block_size**2
    blocks = transpose(reshape(x, (batch, height, width, n, n, depth)), (0, 1, 3, 2, 4, 5))
    return reshape(blocks, (batch, height * n, width * n, depth))


def space_to_depth(x: Symbol, block_size: int, data_format: str = "channels_last") -> Symbol:
    """Blocks of ``block_size`` x ``block_size`` pixels rearranged to channels of one pixel."""
    if data_format == "channels_first":
        return moveaxis(space_to_depth(moveaxis(x, 1, -1), block_size), -1, 1)
    batch, height, width, channels = x.shape
    n, rows, columns = block_size, height // block_size, width // block_size
    blocks = transpose(reshape(x, (batch, rows, n, columns, n, channels)), (0, 1, 3, 2, 4, 5))
    return reshape(blocks, (batch, rows, columns, n * n * channels))
