"""LocallyConnected1D and 2D of Keras 2: convolutions with another kernel for each output position."""

from __future__ import annotations

import itertools

import numpy as np

from sofie_jit.frontends.keras.activation import activation
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.convolution import CONVOLUTION, RENAMED
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.layers.spatial import (
    channels,
    dimensions,
    layout,
    per_axis,
    per_axis_default,
    spatial_axes,
)
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dims
from sofie_jit.ir.operators.geometry import Axis, outputs_of, window_axes


@layer(
    "LocallyConnected1D", "LocallyConnected2D",
    weights=lambda c: ("kernel", "bias") if c["use_bias"] else ("kernel",), mask=stops, renamed=RENAMED,
    defaults=lambda name: {**CONVOLUTION, "strides": per_axis_default(name, 1)},
)  # fmt: skip
def locally_connected(call: LayerCall, x: Symbol) -> Symbol:
    """The window of each position times its own kernel (taps x channels, filters), plus its own bias."""
    config, data_layout, count = call.config, layout(call), dimensions(call, x)
    inputs, filters, first = channels(call, x, data_layout), config["filters"], data_layout == "NCHW"
    if config["padding"] != "valid":
        call.refuse(f"padding={config['padding']!r} is not supported; put a ZeroPadding layer before it")
    sizes = static_dims(call.layer.class_name, tuple(x.shape[axis] for axis in spatial_axes(count, data_layout)))
    taps, strides = per_axis(call, "kernel_size", count), per_axis(call, "strides", count)
    axes = window_axes(call.layer.class_name, sizes, taps, strides, None, None, "VALID")
    out = static_dims(call.layer.class_name, outputs_of(axes))
    positions = int(np.prod(out))
    indices = _window_indices(axes, inputs, first)

    weights = call.constant(np.ascontiguousarray(_kernels(call, sizes, inputs, out, indices)), "kernel")
    flat = ops.reshape(x, (-1, int(np.prod(sizes)) * inputs))
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
    call: LayerCall, sizes: tuple[int, ...], inputs: int, out: tuple[int, ...], indices: np.ndarray
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
    elif implementation == 3:  # of these the used ones, result by result
        kernel = call.weight("kernel", (positions * terms * filters,)).reshape(*results, terms)
        kernel = kernel.transpose((1, 2, 0) if first else (0, 2, 1))
    else:
        call.refuse(f"implementation={implementation!r} is not supported; expected 1, 2 or 3")
    return kernel


def _window_indices(axes: tuple[Axis, ...], channels: int, channels_first: bool) -> np.ndarray:
    """The indices of the elements in the window of each position, (positions, terms), in the order of the kernel."""
    sizes = static_dims("a locally connected layer", tuple(axis.size for axis in axes))
    shape = (channels, *sizes) if channels_first else (*sizes, channels)
    image = np.arange(np.prod(shape)).reshape(shape)
    rows = []
    for position in itertools.product(*map(range, static_dims("a locally connected layer", outputs_of(axes)))):
        window = [slice(p * axis.stride, p * axis.stride + axis.kernel) for p, axis in zip(position, axes, strict=True)]
        rows.append(image[(slice(None), *window) if channels_first else (*window, slice(None))].ravel())
    return np.array(rows)
