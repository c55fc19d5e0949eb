"""LocallyConnected1D and 2D of Keras 2: convolutions with a kernel of its own for every place."""

from __future__ import annotations

import itertools

import numpy as np

from sofie_jit.frontends.keras.activation import activation
from sofie_jit.frontends.keras.layers.registry import LayerCall, layer
from sofie_jit.frontends.keras.layers.spatial import channels, dimensions, layout, per_axis, spatial_axes
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.geometry import Axis, outputs_of, window_axes
from sofie_jit.ir.operators.operator import static_dims


@layer(
    "LocallyConnected1D", "LocallyConnected2D",
    weights=lambda c: ("kernel", "bias") if c["use_bias"] else ("kernel",),
)  # fmt: skip
def locally_connected(call: LayerCall, x: Symbol) -> Symbol:
    """Every place's numbers times its own kernel (taps x channels, filters); the bias is one per place and filter."""
    config, data_layout, count = call.config, layout(call), dimensions(call, x)
    inputs, filters, first = channels(call, x, data_layout), config["filters"], data_layout == "NCHW"
    if config["padding"] != "valid":
        call.refuse(f"padding={config['padding']!r} is not translated; put a ZeroPadding layer before it")
    sizes = static_dims(call.layer.class_name, tuple(x.shape[axis] for axis in spatial_axes(count, data_layout)))
    taps, strides = per_axis(call, "kernel_size", count), per_axis(call, "strides", count)
    axes = window_axes(call.layer.class_name, sizes, taps, strides, None, None, "VALID")
    out = outputs_of(axes)
    places, terms = int(np.prod(out)), int(np.prod(taps)) * inputs
    results = (filters, places) if first else (places, filters)
    numbers, implementation = _numbers_seen(axes, inputs, first), config.get("implementation", 1)
    if implementation == 1:
        kernel = call.weight("kernel", (places, terms, filters))
    elif implementation == 2:  # for all numbers of the image, of which most play no role
        shape = (inputs, *sizes, filters, *out) if first else (*sizes, inputs, *out, filters)
        whole = call.weight("kernel", shape).reshape(-1, *results)
        kernel = (whole.swapaxes(1, 2) if first else whole)[numbers, np.arange(places)[:, None]]
    elif implementation == 3:  # of that what does play a role, result by result
        kernel = call.weight("kernel", (places * terms * filters,)).reshape(*results, terms)
        kernel = kernel.transpose((1, 2, 0) if first else (0, 2, 1))
    else:
        call.refuse(f"implementation={implementation!r} is not translated; 1, 2 and 3 are")

    weights = call.constant(np.ascontiguousarray(kernel), "kernel")
    flat = ops.reshape(x, (-1, int(np.prod(sizes)) * inputs))
    seen = ops.take(flat, numbers, 1)  # (batch, places, terms)
    y = ops.transpose(ops.matmul(ops.transpose(seen, (1, 0, 2)), weights), (1, 0, 2))  # (batch, places, filters)
    if config["use_bias"]:
        bias = call.weight("bias", (*out, filters)).reshape(results)  # Keras too takes its memory for channels first
        y = ops.add(y, call.constant(np.ascontiguousarray(bias.T if first else bias), "bias"))
    y = activation(call, y, config["activation"])
    if first:
        return ops.reshape(ops.transpose(y, (0, 2, 1)), (-1, filters, *out))
    return ops.reshape(y, (-1, *out, filters))


def _numbers_seen(axes: tuple[Axis, ...], channels: int, channels_first: bool) -> np.ndarray:
    """Which numbers of an image each place sees, (places, terms), in the order of the kernel's terms."""
    sizes = [axis.size for axis in axes]
    shape = (channels, *sizes) if channels_first else (*sizes, channels)
    image = np.arange(np.prod(shape)).reshape(shape)
    rows = []
    for place in itertools.product(*map(range, outputs_of(axes))):
        window = [slice(p * axis.stride, p * axis.stride + axis.kernel) for p, axis in zip(place, axes, strict=True)]
        rows.append(image[(slice(None), *window) if channels_first else (*window, slice(None))].ravel())
    return np.array(rows)
