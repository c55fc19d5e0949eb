"""Pooling, adaptive pooling, and windows of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.convolution import batched, per_axis, unbatched
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.frontends.resampling import adaptive_max, adaptive_mean
from sofie_jit.frontends.window_argmax import window_argmax
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, maximum
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.pool import AveragePool, MaxPool
from sofie_jit.ir.size_arrays import Array, SizeArrays
from sofie_jit.ir.types import check_table


def _with_batch(x: Symbol, count: int) -> Symbol:
    """``x`` with an axis for the batch. Channels whose number is open become the batch, as each is pooled by itself."""
    if x.rank == count + 1 and not isinstance(x.shape[0], int):
        return ops.expand_dims(x, 1)
    return batched(x, count)


def _without_batch(y: Symbol, x: Symbol) -> Symbol:
    """``y`` without the axis that :func:`_with_batch` added to ``x``."""
    if y.rank > x.rank and not isinstance(x.shape[0], int):
        return ops.squeeze(y, 1)
    return unbatched(y, x)


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
    return _without_batch(call.add(operator, _with_batch(x, count)), x)


@aten("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices")
def max_pool_with_indices(
    call: AtenCall, x: Symbol, kernel_size: list[Any], stride: list[Any], padding: list[Any], dilation: list[Any],
    ceil_mode: bool,
) -> tuple[Symbol, Symbol]:  # fmt: skip
    """The largest element of each window, and its index within its image."""
    count = next(int(letter) for letter in call.schema.name if letter.isdigit())
    kernel = per_axis(call, "kernel_size", kernel_size, count)
    operator = MaxPool(
        kernel_shape=kernel,
        strides=per_axis(call, "stride", stride or kernel, count),
        pads=per_axis(call, "padding", padding, count) * 2,
        dilations=per_axis(call, "dilation", dilation, count),
        ceil_mode=ceil_mode,
    )
    images = _with_batch(x, count)
    return _without_batch(call.add(operator, images), x), _without_batch(window_argmax(operator, images), x)


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
    images = _with_batch(x, count)
    axes = operator.window(images.type)[0]
    if divisor_override is None and not (count_include_pad and not all(axis.ends_in_padding for axis in axes)):
        return _without_batch(call.add(operator, images), x)
    ends = (axis.under(axis.out) - axis.size - axis.before - axis.after for axis in axes)
    beyond = [maximum(end, 0) for end in ends]
    return _without_batch(_sums_of_windows(call, images, operator, beyond, divisor_override), x)


def _sums_of_windows(
    call: AtenCall, x: Symbol, operator: AveragePool, beyond: Sequence[Dim], divisor: int | None
) -> Symbol:
    """The sum of each window divided by its elements in the padded image, or by a given number."""
    count = len(operator.kernel_shape)
    borders: list[Dim] = [0, 0, *(operator.pads or ())[:count], 0, 0]
    borders += [after + more for after, more in zip((operator.pads or ())[count:], beyond, strict=True)]
    padded = call.add(Pad(pads=borders), x)
    pool = AveragePool(kernel_shape=operator.kernel_shape, strides=operator.strides)
    size = float(np.prod(operator.kernel_shape))
    mean = call.add(pool, padded)
    if divisor is not None:
        return ops.multiply(mean, size / divisor)
    a = SizeArrays(x.builder, *padded.shape[2:])
    total: Array = a.number(1, "int64")
    for axis, window in enumerate(pool.window(padded.type)[0]):
        starts = a.arange(window.out) * a.number(window.stride, "int64")
        end = a.minimum(starts + window.kernel, a.number(window.size - beyond[axis], "int64"))
        total = total * a.reshape(end - starts, [window.out if i == axis else 1 for i in range(count)])
    share = a.cast(total, x.dtype) / size
    return ops.divide(mean, share)


# -- adaptive ----------------------------------------------------------------------------------------------------------


def _outputs(call: AtenCall, x: Symbol, output_size: Sequence[Any]) -> dict[int, Dim]:
    """The number of windows along each spatial axis, which are the last axes."""
    count = int(call.schema.name[-2])
    counts = list(output_size) * count if len(output_size) == 1 else list(output_size)
    axes = range(x.rank - count, x.rank)
    found = {axis: x.shape[axis] if n is None else n for axis, n in zip(axes, counts, strict=True)}
    if any(isinstance(n, int) and n < 1 for n in found.values()):
        call.refuse(f"output_size={counts} is not supported")
    return found


def _all_ones(output_size: Sequence[Any]) -> bool:
    return all(size == 1 for size in output_size)


@aten("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "_adaptive_avg_pool2d",
      "_adaptive_avg_pool3d")  # fmt: skip
def adaptive_avg_pool(call: AtenCall, x: Symbol, output_size: list[Any]) -> Symbol:
    """The mean of each window."""
    outputs = _outputs(call, x, output_size)
    if _all_ones(output_size):
        return ops.mean(x, list(outputs), keepdims=True)
    for axis, count in outputs.items():
        x = adaptive_mean(call, x, axis, count)
    return x


@aten("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def adaptive_max_pool(call: AtenCall, x: Symbol, output_size: list[Any]) -> tuple[Symbol, Symbol | None]:
    """The largest element of each window, and its index in the image, which is not supported for open sizes."""
    outputs = _outputs(call, x, output_size)
    index = _adaptive_argmax(call, x, outputs)
    if _all_ones(output_size):
        return ops.max(x, list(outputs), keepdims=True), index
    for axis, count in outputs.items():
        x = adaptive_max(x, axis, count)
    return x, index


def _adaptive_argmax(call: AtenCall, x: Symbol, outputs: Mapping[int, Dim]) -> Symbol | None:
    """The index of the largest element of each window, the first of equal ones; None for open sizes."""
    index, later = None, 1
    for axis, count in sorted(outputs.items(), reverse=True):
        size = x.shape[axis]
        if not isinstance(size, int) or not isinstance(count, int):
            return None
        first = np.arange(count) * size // count
        end = -(-(np.arange(count) + 1) * size // count)
        check_table("adaptive pooling", count, int((end - first).max()))
        # the windows side by side, made equally large by repeating their last element
        places = np.minimum(first[:, np.newaxis] + np.arange((end - first).max()), end[:, np.newaxis] - 1)
        windows = ops.take(x, places, axis)
        best = ops.cast(ops.argmax(windows, axis + 1, keepdims=True), "int64")
        starts = call.constant((first * later).reshape(-1, *[1] * (x.rank - axis - 1)).astype(np.int64), "starts")
        along = ops.add(ops.multiply(ops.squeeze(best, axis + 1), np.int64(later)), starts)
        if index is not None:
            index = ops.squeeze(ops.take_along_axis(ops.take(index, places, axis), best, axis + 1), axis + 1)
        index = along if index is None else ops.add(index, along)
        x, later = ops.max(windows, axis + 1), later * size
    return index


# -- powers and windows ------------------------------------------------------------------------------------------------


@aten("im2col")
def im2col(
    call: AtenCall, x: Symbol, kernel_size: list[int], dilation: list[int], padding: list[int], stride: list[int]
) -> Symbol:
    """The windows of images as columns of a matrix."""
    return ops.unfold(x, kernel_size, dilation, padding, stride)
