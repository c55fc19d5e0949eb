"""Operations of ``keras.ops`` that are a layer without its weights: convolutions, pools, resizing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.graph import Layer
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim


def through_layer(call: LayerCall, class_name: str, options: Mapping[str, Any], x: Symbol, **weights: Any) -> Symbol:
    """``x`` passed through a layer of Keras with these weights, which must be constant. Refuses computed ones."""
    arrays: dict[str, np.ndarray] = {}
    for name, value in weights.items():
        array = ops.weight_of(value) if isinstance(value, Symbol) else np.asarray(value)
        if array is None:
            call.refuse(f"its {name} is computed by the model; it must be constant")
        arrays[name] = array.astype(x.dtype)
    stored = Layer(call.name, class_name, dict(options), weights=arrays, saved_class=class_name)
    result: Symbol = LayerCall(stored, call.builder, call.masks)(x)
    return result


def _spatial(call: LayerCall, x: Symbol, *options: str) -> dict[str, Any]:
    """Options of a convolution or pooling as its layer has them."""
    count = x.rank - 2
    found = {"data_format": call.config["data_format"] or "channels_last"}
    for option in options:
        value = call.config[option]
        found[option] = (value,) * count if isinstance(value, int) else value
    return found


NO_BIAS = {"use_bias": False, "activation": "linear"}


@layer("ops.Conv", mask=stops)
def conv(call: LayerCall, inputs: Symbol, kernel: Any) -> Symbol:
    """Convolution with a constant kernel."""
    options = _spatial(call, inputs, "strides", "padding", "dilation_rate")
    channels = inputs.shape[1] if options["data_format"] == "channels_first" else inputs.shape[-1]
    options |= {"kernel_size": kernel.shape[:-2], "filters": kernel.shape[-1], **NO_BIAS}
    options["groups"] = static_dim(call.layer.class_name, (channels,), 0) // kernel.shape[-2]
    return through_layer(call, f"Conv{inputs.rank - 2}D", options, inputs, kernel=kernel)


@layer("ops.DepthwiseConv", mask=stops)
def depthwise_conv(call: LayerCall, inputs: Symbol, kernel: Any) -> Symbol:
    """Convolution of each channel by itself with a constant kernel."""
    options = _spatial(call, inputs, "strides", "padding", "dilation_rate")
    options |= {"kernel_size": kernel.shape[:-2], "depth_multiplier": kernel.shape[-1], **NO_BIAS}
    return through_layer(call, f"DepthwiseConv{inputs.rank - 2}D", options, inputs, kernel=kernel)


@layer("ops.SeparableConv", mask=stops)
def separable_conv(call: LayerCall, inputs: Symbol, depthwise_kernel: Any, pointwise_kernel: Any) -> Symbol:
    """Depthwise convolution, then a convolution of single pixels, with constant kernels."""
    options = _spatial(call, inputs, "strides", "padding", "dilation_rate")
    options |= {"kernel_size": depthwise_kernel.shape[:-2], "depth_multiplier": depthwise_kernel.shape[-1]}
    options |= {"filters": pointwise_kernel.shape[-1], **NO_BIAS}
    kernels = {"depthwise_kernel": depthwise_kernel, "pointwise_kernel": pointwise_kernel}
    return through_layer(call, f"SeparableConv{inputs.rank - 2}D", options, inputs, **kernels)


@layer("ops.ConvTranspose", mask=stops)
def conv_transpose(call: LayerCall, inputs: Symbol, kernel: Any) -> Symbol:
    """Transposed convolution with a constant kernel."""
    options = _spatial(call, inputs, "strides", "padding", "dilation_rate", "output_padding")
    options |= {"kernel_size": kernel.shape[:-2], "filters": kernel.shape[-2], **NO_BIAS}
    return through_layer(call, f"Conv{inputs.rank - 2}DTranspose", options, inputs, kernel=kernel)


@layer("ops.MaxPool", "ops.AveragePool", mask=stops)
def pool(call: LayerCall, inputs: Symbol) -> Symbol:
    """The maximum, or the mean, of windows."""
    options = _spatial(call, inputs, "pool_size", "strides", "padding")
    prefix = call.layer.class_name.removeprefix("ops.").removesuffix("Pool")
    return through_layer(call, f"{prefix}Pooling{inputs.rank - 2}D", options, inputs)


@layer("ops.AdaptiveMaxPool", "ops.AdaptiveAveragePool", mask=stops)
def adaptive_pool(call: LayerCall, inputs: Symbol) -> Symbol:
    """The maximum, or the mean, of a given number of windows."""
    options = _spatial(call, inputs, "output_size")
    prefix = call.layer.class_name.removeprefix("ops.").removesuffix("Pool")
    return through_layer(call, f"{prefix}Pooling{inputs.rank - 2}D", options, inputs)


@layer("ops.Resize", mask=stops)
def resize(call: LayerCall, images: Symbol) -> Symbol:
    """Images in another size."""
    height, width = call.config["size"]
    names = ("interpolation", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias", "fill_mode", "fill_value")
    options = {name: call.config[name] for name in names}
    options |= {"height": height, "width": width, "data_format": call.config["data_format"] or "channels_last"}
    return through_layer(call, "Resizing", options, images)


@layer("ops.RMSNorm", mask=stops)
def rms_norm(call: LayerCall, x: Symbol, scale: Any = None) -> Symbol:
    """``x`` divided by its root mean square along ``axis``."""
    axis, epsilon = call.config["axis"], call.config["epsilon"]
    square = ops.mean(ops.square(x), axis, keepdims=True)
    y = ops.divide(x, ops.sqrt(ops.add(square, ops.EPSILON if epsilon is None else epsilon)))
    return y if scale is None else ops.multiply(y, scale)
