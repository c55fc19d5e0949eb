"""Activations and other operations of networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators import activations
from sofie_jit.ir.operators.operator import check_table, product
from sofie_jit.ir.operators.operator import static_dim as static
from sofie_jit.ir.operators.softmax import GLU, AlongAxis, LogSoftmax, Softmax, Sparsemax
from sofie_jit.ir.ops.core import EPSILON, Axes, Value, apply, axes_of, cast, convert, floating, promote
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
from sofie_jit.ir.ops.products import einsum
from sofie_jit.ir.ops.reductions import max, mean, norm, sum, var
from sofie_jit.ir.ops.shapes import (
    expand_dims,
    inverse,
    moveaxis,
    one_hot,
    pad,
    repeat,
    reshape,
    squeeze,
    take,
    transpose,
)


def activation(operator: activations.Activation | AlongAxis, x: Symbol) -> Symbol:
    """``operator`` of ``x``; of integers in float32, but for what is defined for them."""
    exact = x.dtype.startswith("int") and getattr(operator, "integers", False)
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
    """``x``, and ``negative_slope * x`` below 0."""
    return activation(activations.LeakyRelu(alpha=negative_slope), x)


def elu(x: Symbol, alpha: float = 1.0) -> Symbol:
    """``x``, and ``alpha * (e^x - 1)`` below 0."""
    return activation(activations.Elu(alpha=alpha), x)


def celu(x: Symbol, alpha: float = 1.0) -> Symbol:
    """``x``, and ``alpha * (e^(x / alpha) - 1)`` below 0."""
    return activation(activations.Celu(alpha=alpha), x)


def gelu(x: Symbol, approximate: bool = True) -> Symbol:
    """``x * P(X <= x)`` for a normally distributed X, by default as ``keras.ops`` has it: through tanh."""
    return activation(activations.Gelu(approximate="tanh" if approximate else "none"), x)


def hard_shrink(x: Symbol, threshold: float = 0.5) -> Symbol:
    """0 on [-``threshold``, ``threshold``], else ``x``."""
    return activation(activations.Shrink(lambd=threshold, bias=0.0), x)


def soft_shrink(x: Symbol, threshold: float = 0.5) -> Symbol:
    """0 on [-``threshold``, ``threshold``], else ``x`` nearer to 0 by ``threshold``."""
    return activation(activations.Shrink(lambd=threshold, bias=threshold), x)


def squareplus(x: Symbol, b: float = 4) -> Symbol:
    """``(x + sqrt(x^2 + b)) / 2``."""
    return activation(activations.Squareplus(b=b), x)


def threshold(x: Symbol, threshold: float, default_value: float) -> Symbol:
    """``x`` above ``threshold``, else ``default_value``."""
    return activation(activations.Threshold(threshold=threshold, value=default_value), x)


def _along_axes(operator: Callable[..., AlongAxis], x: Symbol, axis: Axes) -> Symbol:
    x = cast(x, floating(x))
    if isinstance(axis, int):
        return apply(operator(axis=axis), x)
    axes = axes_of(x, axis)
    order = [a for a in range(x.rank) if a not in axes] + axes
    moved = transpose(x, order)
    rows = reshape(moved, (*moved.shape[: -len(axes)], -1))
    return transpose(reshape(apply(operator(axis=-1), rows), moved.shape), inverse(order))


def softmax(x: Symbol, axis: Axes = -1) -> Symbol:
    """``e^x`` divided by its sum along ``axis``; None stands for all axes."""
    return _along_axes(Softmax, x, axis)


def log_softmax(x: Symbol, axis: Axes = -1) -> Symbol:
    """The logarithm of softmax."""
    return _along_axes(LogSoftmax, x, axis)


def sparsemax(x: Symbol, axis: int = -1) -> Symbol:
    """Sparsemax along ``axis``."""
    return apply(Sparsemax(axis=axis), x)


def glu(x: Symbol, axis: int = -1) -> Symbol:
    """The first half of ``x`` along ``axis``, times the sigmoid of the second."""
    return apply(GLU(axis=axis), x)


def moments(x: Symbol, axes: Axes, keepdims: bool = False) -> tuple[Symbol, Symbol]:
    """Mean and variance."""
    return mean(x, axes, keepdims), var(x, axes, keepdims)


def normalize(x: Symbol, axis: Axes = -1, order: Any = 2, epsilon: float | None = None) -> Symbol:
    """``x`` divided by its norm along ``axis``, which counts as ``epsilon`` where it is smaller."""
    x = cast(x, floating(x))
    return divide(x, maximum(norm(x, order, axis, keepdims=True), EPSILON if epsilon is None else epsilon))


def multi_hot(inputs: Symbol, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Symbol:
    """1 at the places that the numbers along the last axis of ``inputs`` count to."""
    places = one_hot(inputs, num_classes, axis, dtype, sparse)
    return places if inputs.rank < 2 else max(places, axis=1)


# -- normalization, attention, losses --------------------------------------------------------------------------------


def _aligned(x: Symbol, values: Value, axes: Sequence[int]) -> Symbol:
    """``values``, which belong to ``axes`` of ``x``, in a shape that broadcasts with ``x``."""
    (tensor,) = promote(values, dtype=x.dtype) if isinstance(values, Symbol) else (convert(values, x.dtype, x.builder),)
    return reshape(tensor, [n if a in axes else 1 for a, n in enumerate(x.shape)])


def batch_normalization(
    x: Symbol, mean: Value, variance: Value, axis: int, offset: Value = None, scale: Value = None, epsilon: float = 1e-3
) -> Symbol:
    """``(x - mean) / sqrt(variance + epsilon) * scale + offset``, all along ``axis``."""
    x = cast(x, floating(x))
    axes = axes_of(x, axis)
    factor = rsqrt(add(_aligned(x, variance, axes), epsilon))
    factor = factor if scale is None else multiply(factor, _aligned(x, scale, axes))
    y = multiply(subtract(x, _aligned(x, mean, axes)), factor)
    return y if offset is None else add(y, _aligned(x, offset, axes))


def layer_normalization(
    x: Symbol, gamma: Value = None, beta: Value = None, axis: Axes = -1, epsilon: float | None = None,
    rms_scaling: bool = False,
) -> Symbol:  # fmt: skip
    """``x`` less its mean along ``axis``, divided by its deviation there; with ``rms_scaling`` only divided."""
    x = cast(x, floating(x))
    axes = axes_of(x, axis)
    spread = var(x, axes, keepdims=True)
    centered = x if rms_scaling else subtract(x, mean(x, axes, keepdims=True))
    y = multiply(centered, rsqrt(add(spread, EPSILON if epsilon is None else epsilon)))
    y = y if gamma is None else multiply(y, _aligned(x, gamma, axes))
    return y if beta is None or rms_scaling else add(y, _aligned(x, beta, axes))


def dot_product_attention(
    query: Symbol, key: Symbol, value: Symbol, bias: Value = None, mask: Value = None, scale: float | None = None,
    is_causal: bool = False,
) -> Symbol:  # fmt: skip
    """Attention over heads: query (batch, targets, heads, size), key and value (batch, sources, heads, size)."""
    query, key, value = promote(query, key, value)
    heads, groups, size = (static("dot_product_attention", x.shape, a) for x, a in ((query, 2), (key, 2), (key, 3)))
    if heads > groups > 1:
        key, value = (repeat(x, heads // groups, axis=2) for x in (key, value))
    scores = einsum("btnh,bsnh->bnts", query, key)
    scores = multiply(scores, 1 / math.sqrt(size) if scale is None else scale)
    scores = scores if bias is None else add(scores, bias)
    if is_causal:
        targets, sources = (static("causal dot_product_attention", scores.shape, a) for a in (-2, -1))
        check_table("causal dot_product_attention", targets, sources)
        below = np.tri(targets, sources, dtype=bool)
        mask = below if mask is None else logical_and(mask, below)
    if mask is not None:
        scores = where(convert(mask, "bool", query.builder), scores, float(-0.7 * np.finfo(scores.dtype).max))
    return einsum("bnts,bsnh->btnh", softmax(scores), value)


def binary_crossentropy(target: Value, output: Symbol, from_logits: bool = False) -> Symbol:
    """The cross entropy of probabilities, or with ``from_logits`` of their logits, number by number."""
    if from_logits:
        overlap = subtract(relu(output), multiply(output, target))
        return add(overlap, log1p(exp(negative(absolute(output)))))
    output = clip(output, EPSILON, 1 - EPSILON)
    target = cast(target, output.dtype) if isinstance(target, Symbol) else target
    other = multiply(subtract(1.0, target), log(subtract(1.0, output)))
    return negative(add(multiply(target, log(output)), other))


def categorical_crossentropy(target: Value, output: Symbol, from_logits: bool = False, axis: int = -1) -> Symbol:
    """The cross entropy of distributions along ``axis``."""
    if from_logits:
        return negative(sum(multiply(target, log_softmax(output, axis)), axis))
    output = clip(divide(output, sum(output, axis, keepdims=True)), EPSILON, 1 - EPSILON)
    return negative(sum(multiply(target, log(output)), axis))


def sparse_categorical_crossentropy(
    target: Symbol, output: Symbol, from_logits: bool = False, axis: int = -1
) -> Symbol:
    """The same for targets that are places along ``axis``."""
    if target.rank == output.rank and target.shape[-1] == 1:
        target = squeeze(target, -1)
    if not from_logits:
        output, from_logits = log(clip(output, EPSILON, 1 - EPSILON)), True
    hot = one_hot(target, static("sparse_categorical_crossentropy", output.shape, axis), axis, output.dtype)
    return categorical_crossentropy(hot, output, from_logits, axis)


def cdist(x: Value, y: Value) -> Symbol:
    """The distances between every row of ``x`` and every row of ``y``."""
    a, b = promote(x, y, dtype=floating(x, y))
    apart = subtract(expand_dims(a, -2), expand_dims(b, -3))
    return sqrt(sum(square(apart), -1))


# -- blocks of images ------------------------------------------------------------------------------------------------


def _pair(value: Any) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return first, second


def windows(x: Symbol, axis: int, size: int, stride: int = 1, dilation: int = 1) -> Symbol:
    """The axis taken apart in two: where a window begins, and the place within it."""
    last = static("a window", x.shape, axis) - (size - 1) * dilation
    check_table("windows", last // stride, size)
    return take(x, np.arange(0, last, stride)[:, np.newaxis] + np.arange(size) * dilation, axis)


def unfold(input: Symbol, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Symbol:
    """The windows of images (batch, channels, rows, columns) as columns: (batch, channels * window, windows)."""
    (top, left), sizes, dilations, strides = map(_pair, (padding, kernel_size, dilation, stride))
    x = pad(input, [(0, 0), (0, 0), (top, top), (left, left)])
    for axis in (1, 0):
        x = windows(x, 2 + axis, sizes[axis], strides[axis], dilations[axis])
    batch, channels, rows, height, columns, width = x.shape
    apart = transpose(x, (0, 1, 3, 5, 2, 4))
    return reshape(apart, (batch, product(channels, height, width), product(rows, columns)))


def depth_to_space(x: Symbol, block_size: int, data_format: str = "channels_last") -> Symbol:
    """Channels spread over blocks of ``block_size`` by ``block_size`` pixels."""
    if data_format == "channels_first":
        return moveaxis(depth_to_space(moveaxis(x, 1, -1), block_size), -1, 1)
    batch, (height, width, channels) = x.shape[0], (static("depth_to_space", x.shape, a) for a in (1, 2, 3))
    n, depth = block_size, channels // block_size**2
    apart = transpose(reshape(x, (batch, height, width, n, n, depth)), (0, 1, 3, 2, 4, 5))
    return reshape(apart, (batch, height * n, width * n, depth))


def space_to_depth(x: Symbol, block_size: int, data_format: str = "channels_last") -> Symbol:
    """Blocks of ``block_size`` by ``block_size`` pixels as channels."""
    if data_format == "channels_first":
        return moveaxis(space_to_depth(moveaxis(x, 1, -1), block_size), -1, 1)
    batch, (height, width, channels) = x.shape[0], (static("space_to_depth", x.shape, a) for a in (1, 2, 3))
    n, rows, columns = block_size, height // block_size, width // block_size
    apart = transpose(reshape(x, (batch, rows, n, columns, n, channels)), (0, 1, 3, 2, 4, 5))
    return reshape(apart, (batch, rows, columns, n * n * channels))
