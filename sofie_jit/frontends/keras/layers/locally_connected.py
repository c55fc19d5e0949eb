"""LocallyConnected1D and 2D of Keras 2: convolutions with another kernel for each output position."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sofie_jit.frontends.keras.activation import activation
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.convolution import CONVOLUTION, RENAMED
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.layers.spatial import (
    channels,
    dimensions,
    layout,
    one_of,
    per_axis,
    per_axis_default,
    spatial_axes,
)
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dims
from sofie_jit.ir.types import check_table


@layer(
    "LocallyConnected1D", "LocallyConnected2D",
    weights=lambda c: ("kernel", "bias") if c["use_bias"] else ("kernel",), mask=stops, renamed=RENAMED,
    defaults=lambda name: {**CONVOLUTION, "strides": per_axis_default(name, 1)},
)  # fmt: skip
def locally_connected(call: LayerCall, x: Symbol) -> Symbol:
    """The window of each position times its own kernel (taps x channels, filters), plus its own bias.

    With ``same``, windows are centered at multiples of the strides, and cut off at the borders.
    """
    config, data_layout, count = call.config, layout(call), dimensions(call, x)
    inputs, filters, first = channels(call, x, data_layout), config["filters"], data_layout == "NCHW"
    sizes = static_dims(call.layer.class_name, tuple(x.shape[axis] for axis in spatial_axes(count, data_layout)))
    taps, strides = per_axis(call, "kernel_size", count), per_axis(call, "strides", count)
    same = one_of(call, "padding", {"valid": False, "same": True})
    if same and config.get("implementation", 1) == 1:
        call.refuse("padding='same' with implementation=1 is not defined in Keras; put a ZeroPadding layer before it")
    axes = list(zip(sizes, taps, strides, strict=True))
    out = tuple(-(-size // step) if same else max(size - k + 1 + step - 1, 0) // step for size, k, step in axes)
    if 0 in out:
        call.refuse(f"its kernel {tuple(taps)} is larger than its images {sizes}")
    positions = math.prod(out)
    check_table(call.layer.class_name, positions, math.prod(taps), inputs)
    windows = [_windows(*axis, same) for axis in axes]
    indices, inside = _elements(windows, sizes, inputs, first)

    weights = call.constant(np.ascontiguousarray(_kernels(call, sizes, inputs, out, indices, inside)), "kernel")
    flat = ops.reshape(x, (-1, math.prod(sizes) * inputs))
    seen = ops.take(flat, indices, 1)  # (batch, positions, terms)
    y = ops.transpose(ops.matmul(ops.transpose(seen, (1, 0, 2)), weights), (1, 0, 2))  # (batch, positions, filters)
    if config["use_bias"]:
        # Keras, too, takes the memory of the bias for channels first
        bias = call.weight("bias", (*out, filters)).reshape((filters, positions) if first else (positions, filters))
        y = ops.add(y, call.constant(np.ascontiguousarray(bias.T if first else bias), "bias"))
    y = activation(call, y, config["activation"])
    if first:
        return ops.reshape(ops.transpose(y, (0, 2, 1)), (-1, filters, *out))
    return ops.reshape(y, (-1, *out, filters))


def _kernels(
    call: LayerCall, sizes: tuple[int, ...], inputs: int, out: tuple[int, ...], indices: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """The kernel of each position, (positions, terms, filters), from one of Keras's three layouts."""
    config, filters, first = call.config, call.config["filters"], layout(call) == "NCHW"
    positions, terms = indices.shape
    results = (filters, positions) if first else (positions, filters)
    implementation = config.get("implementation", 1)
    if implementation == 1:
        return call.weight("kernel", (positions, terms, filters))
    if implementation == 2:  # weights for all elements of the image, most of which are not used
        shape = (inputs, *sizes, filters, *out) if first else (*sizes, inputs, *out, filters)
        whole = call.weight("kernel", shape).reshape(-1, *results)
        kernel: np.ndarray = (whole.swapaxes(1, 2) if first else whole)[indices, np.arange(positions)[:, None]]
        kernel *= inside[:, :, None]
        return kernel
    if implementation != 3:
        call.refuse(f"implementation={implementation!r} is not supported; expected 1, 2 or 3")
    # of these the used ones, result by result
    used = np.broadcast_to(np.expand_dims(inside, 0 if first else 1), (*results, terms))
    values = call.weight("kernel", (int(used.sum()),))
    flat = np.zeros(used.shape, values.dtype)
    flat[used] = values
    kernel = flat.transpose((1, 2, 0) if first else (0, 2, 1))
    return kernel


def _windows(size: int, taps: int, stride: int, same: bool) -> np.ndarray:
    """The coordinates of each window along an axis, (outputs, taps); with ``same``, some are outside of the image."""
    starts = np.arange(0, size, stride) - taps // 2 if same else np.arange(0, size - taps + 1, stride)
    return starts[:, np.newaxis] + np.arange(taps)


def _elements(
    windows: Sequence[np.ndarray], sizes: tuple[int, ...], channels: int, channels_first: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The indices of the elements in the window of each position, and whether they are inside the image.

    Both have the shape (positions, terms), with the terms in the order of the kernel. Indices outside are 0.
    """
    places, inside = np.zeros((1, 1), np.int64), np.ones((1, 1), bool)
    for window, size in zip(windows, sizes, strict=True):
        valid = (window >= 0) & (window < size)
        places = _outer(np.add, places * size, np.where(valid, window, 0))
        inside = _outer(np.logical_and, inside, valid)
    each, area = np.arange(channels), math.prod(sizes)
    if channels_first:
        indices = each[:, np.newaxis] * area + places[:, np.newaxis, :]
    else:
        indices = places[:, :, np.newaxis] * channels + each
    seen = np.broadcast_to(np.expand_dims(inside, 1 if channels_first else 2), indices.shape)
    return np.where(seen, indices, 0).reshape(len(places), -1), seen.reshape(len(places), -1)


def _outer(operation: np.ufunc, before: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """``operation`` of all positions and taps of the axes before with those of another axis."""
    joined: np.ndarray = operation(before[:, np.newaxis, :, np.newaxis], axis[np.newaxis, :, np.newaxis, :])
    return joined.reshape(before.shape[0] * axis.shape[0], -1)
