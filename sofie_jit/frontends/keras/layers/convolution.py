"""Conv1D to Conv3D, depthwise and separable convolutions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.activation import activation
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.layers.spatial import (
    channels,
    dimensions,
    half_of_theano,
    layout,
    per_axis,
    per_axis_default,
    spatial_rank,
    window_options,
)
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import product
from sofie_jit.ir.operators.conv import Conv

CONVOLUTION = {"padding": "valid", "data_format": "channels_last", "activation": "linear", "use_bias": True}
"""Defaults that all layers with a convolution have in common."""
RENAMED = {"bias": "use_bias"}


def _bias(config: Mapping[str, Any]) -> tuple[str, ...]:
    return ("bias",) if config["use_bias"] else ()


def _defaults(class_name: str) -> dict[str, Any]:
    ones = per_axis_default(class_name, 1)
    return {**CONVOLUTION, "strides": ones, "dilation_rate": ones}


@layer(
    "Conv1D", "Conv2D", "Conv3D",
    weights=lambda c: ("kernel", *_bias(c)), mask=stops, renamed=RENAMED,
    defaults=lambda name: {**_defaults(name), "groups": 1},
)  # fmt: skip
def conv(call: LayerCall, x: Symbol) -> Symbol:
    """Convolution, with groups; kernel (spatial axes, channels / groups, filters).

    Images may have several axes of the batch, as in Keras 2.
    """
    batch = x.shape[: -1 - spatial_rank(call.layer.class_name)]
    if len(batch) > 1:
        y = conv(call, ops.reshape(x, (product(*batch), *x.shape[len(batch) :])))
        return ops.reshape(y, (*batch, *y.shape[1:]))
    config, data_layout = call.config, layout(call)
    count, filters, groups = dimensions(call, x), config["filters"], config["groups"]
    size = per_axis(call, "kernel_size", count)
    kernel = call.weight("kernel", (*size, channels(call, x, data_layout) // groups, filters))
    return _convolve(call, x, kernel, groups, filters, data_layout)


@layer(
    "DepthwiseConv1D", "DepthwiseConv2D",
    weights=lambda c: ("kernel", *_bias(c)), mask=stops, renamed=RENAMED,
    defaults=lambda name: {**_defaults(name), "depth_multiplier": 1},
)  # fmt: skip
def depthwise_conv(call: LayerCall, x: Symbol) -> Symbol:
    """Convolution of each channel by itself; kernel (spatial axes, channels, depth_multiplier)."""
    count, data_layout = dimensions(call, x), layout(call)
    inputs, times = channels(call, x, data_layout), call.config["depth_multiplier"]
    size = per_axis(call, "kernel_size", count)
    kernel = call.weight("kernel", (*size, inputs, times)).reshape(*size, 1, inputs * times)
    return _convolve(call, x, kernel, inputs, inputs * times, data_layout)


@layer(
    "SeparableConv1D", "SeparableConv2D",
    weights=lambda c: ("depthwise_kernel", "pointwise_kernel", *_bias(c)), mask=stops, renamed=RENAMED,
    defaults=lambda name: {**_defaults(name), "depth_multiplier": 1},
)  # fmt: skip
def separable_conv(call: LayerCall, x: Symbol) -> Symbol:
    """Depthwise convolution, then a convolution of single pixels over all channels, with bias and activation."""
    config, data_layout = call.config, layout(call)
    count, filters = dimensions(call, x), config["filters"]
    inputs, times = channels(call, x, data_layout), config["depth_multiplier"]
    size = per_axis(call, "kernel_size", count)
    depthwise = call.weight("depthwise_kernel", (*size, inputs, times)).reshape(*size, 1, inputs * times)
    pointwise = call.weight("pointwise_kernel", (*[1] * count, inputs * times, filters))
    # with Theano, Keras did not cut the output of even kernels
    operator = _operator(call, size, inputs, data_layout, same_of_theano=lambda extent: (extent // 2,) * 2)
    y = call.add(operator, x, call.constant(depthwise, "depthwise_kernel"))
    operands = [call.constant(pointwise, "pointwise_kernel")]
    if config["use_bias"]:
        operands.append(call.constant(call.weight("bias", (filters,)), "bias"))
    y = call.add(Conv(layout=data_layout, kernel_layout="HWIO"), y, *operands)
    return activation(call, y, config["activation"])


def _convolve(call: LayerCall, x: Symbol, kernel: np.ndarray, group: int, filters: int, data_layout: str) -> Symbol:
    operands = [call.constant(kernel, "kernel")]
    if call.config["use_bias"]:
        operands.append(call.constant(call.weight("bias", (filters,)), "bias"))
    y = call.add(_operator(call, list(kernel.shape[:-2]), group, data_layout), x, *operands)
    return activation(call, y, call.config["activation"])


def _operator(
    call: LayerCall,
    size: list[int],
    group: int,
    data_layout: str,
    same_of_theano: Callable[[int], tuple[int, int]] = half_of_theano,
) -> Conv:
    dilations = per_axis(call, "dilation_rate", len(size))
    return Conv(
        strides=per_axis(call, "strides", len(size)),
        dilations=dilations,
        group=group,
        layout=data_layout,
        kernel_layout="HWIO",
        **window_options(call, size, dilations, same_of_theano),
    )
