"""Conv1DTranspose to Conv3DTranspose: transposed convolutions."""

from __future__ import annotations

from typing import Any

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
from sofie_jit.frontends.keras.origin import LOST_OUTPUT_SHAPE, SAME_OF_THEANO
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, ceil_div
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.requirements import Requirement


def _defaults(class_name: str) -> dict[str, Any]:
    ones = per_axis_default(class_name, 1)
    return {**CONVOLUTION, "strides": ones, "dilation_rate": ones, "output_padding": None}


@layer(
    "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose",
    weights=lambda c: ("kernel", "bias") if c["use_bias"] else ("kernel",), mask=stops, defaults=_defaults,
    renamed=RENAMED,
)  # fmt: skip
def conv_transpose(call: LayerCall, x: Symbol) -> Symbol:
    """Transposed convolution; kernel (spatial axes, filters, channels)."""
    config, data_layout, filters = call.config, layout(call), call.config["filters"]
    count = dimensions(call, x)
    taps, strides = per_axis(call, "kernel_size", count), per_axis(call, "strides", count)
    dilations = per_axis(call, "dilation_rate", count)
    pads, output_padding = _borders(call, x, taps, strides, dilations)
    kernel = call.weight("kernel", (*taps, filters, channels(call, x, data_layout)))
    bias = [call.constant(call.weight("bias", (filters,)), "bias")] if config["use_bias"] else []
    if max(strides) == 1:  # a convolution with the flipped kernel
        kernel = np.ascontiguousarray(np.flip(kernel, tuple(range(count))).swapaxes(-1, -2))
        beyond = [(k - 1) * dilation for k, dilation in zip(taps, dilations, strict=True)] * 2
        conv = Conv(
            pads=[n - pad for n, pad in zip(beyond, pads, strict=True)],
            dilations=dilations, layout=data_layout, kernel_layout="HWIO",
        )  # fmt: skip
        return activation(call, call.add(conv, x, call.constant(kernel, "kernel"), *bias), config["activation"])
    transposed = ConvTranspose(
        strides=strides, pads=pads, dilations=dilations, output_padding=output_padding,
        layout=data_layout, kernel_layout="HWOI",
    )  # fmt: skip
    return activation(call, call.add(transposed, x, call.constant(kernel, "kernel"), *bias), config["activation"])


def _borders(
    call: LayerCall, x: Symbol, taps: list[int], strides: list[int], dilations: list[int]
) -> tuple[list[int], list[int]]:
    """ONNX's ``pads`` and ``output_padding``, by the layer's padding, output padding or output shape."""
    config, count, axes = call.config, len(taps), spatial_axes(len(taps), layout(call))
    more = [None] * count if config["output_padding"] is None else per_axis(call, "output_padding", count)
    one_of(call, "padding", {word: word for word in ("valid", "same", "full", SAME_OF_THEANO)})
    padding = config["padding"]
    shape = config.get("output_shape")  # Keras 1 had it instead of output_padding
    if shape == LOST_OUTPUT_SHAPE:
        call.refuse(
            "Keras before 1.1.2 did not save the output_shape of a transposed convolution with strides; pass config= "
            "with its architecture, the right 'output_shape' in this layer, and 'keras_version': '1.1.2'"
        )
    given = [int(shape[axis] or 0) if shape else 0 for axis in axes]

    pads, output_padding = [0] * (2 * count), [0] * count
    for i, (axis, k, stride, dilation) in enumerate(zip(axes, taps, strides, dilations, strict=True)):
        size = x.shape[axis]
        extent = (k - 1) * dilation + 1
        reach = (size - 1) * stride + extent
        out: Dim = given[i] or output_size(size, extent, stride, more[i], padding)
        if padding in ("same", SAME_OF_THEANO) and Requirement(ceil_div(out, stride), "==", size).holds is False:
            call.refuse(f"output_padding={more[i]} with kernel_size={k} and padding='same' is not defined in Keras")
        beyond = reach - out
        if not isinstance(beyond, int):
            call.refuse(f"output_shape={shape!r} of an input of shape {x.shape} is not supported; fix its size")
        before = {"full": extent - 1, SAME_OF_THEANO: extent // 2}.get(padding, max(beyond, 0) // 2)
        after = beyond - before
        pads[i], pads[count + i], output_padding[i] = before, max(after, 0), max(-after, 0)
    return pads, output_padding


def output_size(size: Dim, extent: int, stride: int, output_padding: int | None, padding: str) -> Dim:
    """The size of an output axis in Keras; ``extent`` is that of the dilated kernel."""
    if padding == "full":  # of Keras 1, whose files give the size if there are strides
        return (size - 1) * stride + 2 - extent
    if padding == "valid":
        more = max(stride - extent, 0) if output_padding is None else output_padding
        return (size - 1) * stride + extent + more
    return size * stride if output_padding is None else (size - 1) * stride + extent % 2 + output_padding
