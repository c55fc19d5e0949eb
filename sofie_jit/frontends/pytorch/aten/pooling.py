"""Pooling, adaptive pooling, and windows of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.convolution import batched, per_axis, unbatched
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim, static_dims
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.pool import AveragePool, MaxPool
from sofie_jit.ir.operators.resample import Resample
from sofie_jit.ir.types import check_table


@aten("max_pool1d", "max_pool2d", "max_pool3d")
def max_pool(
    call: AtenCall, x: Symbol, kernel_size: list[Any], stride: list[Any], padding: list[Any], dilation: list[Any],
    ceil_mode: bool,
) -> Symbol:  # fmt: skip
    """The largest element of each window."""
    count = int(call.schema.name[-2])
    kernel = per_axis(call, "kernel_size", kernel_size, count)
    operator = MaxPool(
        kernel_shape=kernel,
        strides=per_axis(call, "stride", stride or kernel, count),
        pads=per_axis(call, "padding", padding, count) * 2,
        dilations=per_axis(call, "dilation", dilation, count),
        ceil_mode=ceil_mode,
    )
    return unbatched(call.add(operator, batched(x, count)), x)


@aten("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices")
def max_pool_with_indices(
    call: AtenCall, x: Symbol, kernel_size: list[Any], stride: list[Any], padding: list[Any], dilation: list[Any],
    ceil_mode: bool,
) -> tuple[Symbol, Symbol | None]:  # fmt: skip
    """The largest element of each window; their indices are not supported."""
    count = next(int(letter) for letter in call.schema.name if letter.isdigit())
    kernel = per_axis(call, "kernel_size", kernel_size, count)
    operator = MaxPool(
        kernel_shape=kernel,
        strides=per_axis(call, "stride", stride or kernel, count),
        pads=per_axis(call, "padding", padding, count) * 2,
        dilations=per_axis(call, "dilation", dilation, count),
        ceil_mode=ceil_mode,
    )
    return unbatched(call.add(operator, batched(x, count)), x), None


@aten("avg_pool1d", "avg_pool2d", "avg_pool3d")
def avg_pool(
    call: AtenCall, x: Symbol, kernel_size: list[Any], stride: list[Any], padding: list[Any], ceil_mode: bool,
    count_include_pad: bool, divisor_override: Any = None,
) -> Symbol:  # fmt: skip
    """The mean of each window, by default with the padding counted."""
    count = int(call.schema.name[-2])
    kernel = per_axis(call, "kernel_size", kernel_size, count)
    pads = per_axis(call, "padding", padding, count) * 2
    operator = AveragePool(
        kernel_shape=kernel,
        strides=per_axis(call, "stride", stride or kernel, count),
        pads=pads,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
    )
    images = batched(x, count)
    axes = operator.window(images.type)[0]
    if divisor_override is None and not (count_include_pad and not all(axis.ends_in_padding for axis in axes)):
        return unbatched(call.add(operator, images), x)
    ends = (axis.under(axis.out) - axis.size - axis.before - axis.after for axis in axes)
    beyond = [max(end, 0) for end in static_dims("avg_pool", tuple(ends))]
    return unbatched(_sums_of_windows(call, images, operator, beyond, divisor_override), x)


def _sums_of_windows(
    call: AtenCall, x: Symbol, operator: AveragePool, beyond: Sequence[int], divisor: int | None
) -> Symbol:
    """The sum of each window divided by its elements in the padded image, or by a given number."""
    count = len(operator.kernel_shape)
    borders = [0, 0, *(operator.pads or ())[:count], 0, 0]
    borders += [after + more for after, more in zip((operator.pads or ())[count:], beyond, strict=True)]
    padded = call.add(Pad(pads=borders), x)
    pool = AveragePool(kernel_shape=operator.kernel_shape, strides=operator.strides)
    size = float(np.prod(operator.kernel_shape))
    mean = call.add(pool, padded)
    if divisor is not None:
        return ops.multiply(mean, size / divisor)
    inside = np.ones(static_dims("avg_pool", padded.shape[2:]), x.dtype)
    for axis, more in enumerate(beyond):
        inside[(slice(None),) * axis + (slice(inside.shape[axis] - more, None),)] = 0
    return ops.divide(mean, pool.evaluate(inside[None, None])[0, 0])


# -- adaptive ----------------------------------------------------------------------------------------------------------


def windows(size: int, count: int) -> list[tuple[int, int]]:
    """The first index of each of ``count`` windows that cover ``size`` elements, and the one after its last."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _windows(call: AtenCall, x: Symbol, output_size: Sequence[Any], count: int) -> dict[int, list[tuple[int, int]]]:
    """The windows along each spatial axis of images with a batch."""
    counts = list(output_size) * count if len(output_size) == 1 else list(output_size)
    found = {}
    for axis, n in zip(range(2, 2 + count), counts, strict=True):
        size = static_dim(call.schema.name, x.shape, axis)
        n = size if n is None else n
        if not isinstance(n, int) or n < 1:
            call.refuse(f"output_size={counts} is not supported")
        check_table("adaptive pooling", n, 256)
        found[axis] = windows(size, n)
    return found


def _equal_sizes(x: Symbol, found: dict[int, list[tuple[int, int]]]) -> list[int]:
    """The size of the windows along each axis if they divide it into equal parts, else an empty list."""
    sizes = [pairs[0][1] for pairs in found.values()]
    equal = all(size * len(pairs) == x.shape[axis] for size, (axis, pairs) in zip(sizes, found.items(), strict=True))
    return sizes if equal else []


def _all_ones(output_size: Sequence[Any]) -> bool:
    return all(size == 1 for size in output_size)


@aten("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "_adaptive_avg_pool2d",
      "_adaptive_avg_pool3d")  # fmt: skip
def adaptive_avg_pool(call: AtenCall, x: Symbol, output_size: list[Any]) -> Symbol:
    """The mean of each window."""
    count = int(call.schema.name[-2])
    if _all_ones(output_size):
        return ops.mean(x, list(range(x.rank - count, x.rank)), keepdims=True)
    images = batched(x, count)
    found = _windows(call, images, output_size, count)
    sizes = _equal_sizes(images, found)
    if sizes:
        return unbatched(call.add(AveragePool(kernel_shape=sizes, strides=sizes), images), x)
    for axis, pairs in found.items():
        images = resampled(
            call, images, axis, [(first, np.full(end - first, 1 / (end - first))) for first, end in pairs]
        )
    return unbatched(images, x)


@aten("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def adaptive_max_pool(call: AtenCall, x: Symbol, output_size: list[Any]) -> tuple[Symbol, Symbol | None]:
    """The largest element of each window; their indices are not supported."""
    count = int(call.schema.name[-2])
    if _all_ones(output_size):
        return ops.max(x, list(range(x.rank - count, x.rank)), keepdims=True), None
    images = batched(x, count)
    found = _windows(call, images, output_size, count)
    sizes = _equal_sizes(images, found)
    if not sizes:  # copy the windows side by side, made equally large by repeating their last element
        sizes = [max(end - first for first, end in pairs) for pairs in found.values()]
        for (axis, pairs), size in zip(found.items(), sizes, strict=True):
            indices = [min(first + i, end - 1) for first, end in pairs for i in range(size)]
            images = ops.take(images, np.array(indices, np.int64), axis)
    return unbatched(call.add(MaxPool(kernel_shape=sizes, strides=sizes), images), x), None


def resampled(call: AtenCall, x: Symbol, axis: int, weights: Sequence[tuple[int, np.ndarray]]) -> Symbol:
    """Weighted sums of neighbors along an axis: the index of the first neighbor of each output, and the weights."""
    taps = max(len(row) for _, row in weights)
    check_table("resampling", len(weights), taps)
    table = np.zeros((len(weights), taps), x.dtype)
    for line, (_, row) in zip(table, weights, strict=True):
        line[: len(row)] = row
    spans = np.array([(first, len(row)) for first, row in weights], np.int64)
    return call.add(Resample(axis=axis), x, call.constant(table, "weights"), call.constant(spans, "spans"))


# -- powers and windows ------------------------------------------------------------------------------------------------


@aten("im2col")
def im2col(
    call: AtenCall, x: Symbol, kernel_size: list[int], dilation: list[int], padding: list[int], stride: list[int]
) -> Symbol:
    """The windows of images as columns of a matrix."""
    return ops.unfold(x, kernel_size, dilation, padding, stride)
