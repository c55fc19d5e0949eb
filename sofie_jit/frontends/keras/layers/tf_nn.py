"""Functions of ``tf.nn``, with TensorFlow's arguments; pools and convolutions are layers without weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.keras_ops_layers import NO_BIAS, through_layer
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.operators.activations import Selu, Softsign
from sofie_jit.ir.types import check_table

LAYOUTS = {"NHWC": "channels_last", "NCHW": "channels_first"}


def bias_add(value: Symbol, bias: Any, data_format: str | None = None) -> Symbol:
    """``tf.nn.bias_add``: along the channels, in both data formats."""
    if data_format and data_format.startswith("NC"):
        bias = ops.reshape(ops.promote(bias, value)[0], (-1, *(1,) * (value.rank - 2)))
    return ops.add(value, bias)


def _local_response(input: Symbol, depth_radius: int, bias: float, alpha: float, beta: float) -> Symbol:
    count = static_dim("local_response_normalization", input.shape, -1)
    check_table("local_response_normalization", count, count)
    channels = np.arange(count)
    near = abs(channels[:, np.newaxis] - channels) <= depth_radius
    squares = ops.matmul(ops.square(input), near.astype(input.dtype))
    return ops.divide(input, ops.power(ops.add(ops.multiply(squares, alpha), bias), beta))


def _spatial(x: Symbol, data_format: str | None, **options: Any) -> dict[str, Any]:
    """Options of a pooling or convolution layer, from TensorFlow's lists of numbers per axis."""
    count, first = x.rank - 2, (data_format or "N...C").startswith("NC")

    def per_axis(value: Any) -> tuple[int, ...]:
        numbers = [1 if value is None else value] if not isinstance(value, (list, tuple)) else value
        if len(numbers) == x.rank:
            numbers = numbers[2:] if first else numbers[1:-1]
        return tuple(numbers) * (count if len(numbers) == 1 else 1)

    axes = {key: value if key == "padding" else per_axis(value) for key, value in options.items()}
    return {**axes, "data_format": "channels_first" if first else "channels_last"}


def _padding(call: LayerCall, padding: Any) -> str:
    if not isinstance(padding, str):
        call.refuse(f"explicit padding ({padding}) is not supported; use tf.pad and padding='VALID'")
    return padding.lower()


def _pool(kind: str) -> Callable[..., Symbol]:
    def pool(
        call: LayerCall, input: Symbol, ksize: Any, strides: Any, padding: Any, data_format: str | None = None
    ) -> Symbol:
        options = _spatial(input, data_format, pool_size=ksize, strides=strides, padding=_padding(call, padding))
        return through_layer(call, f"{kind}Pooling{input.rank - 2}D", options, input)

    return pool


def _convolution(
    call: LayerCall, input: Symbol, filters: Any, strides: Any = None, padding: Any = "VALID",
    data_format: str | None = None, dilations: Any = None, use_cudnn_on_gpu: bool = True,
) -> Symbol:  # fmt: skip
    options = _spatial(input, data_format, strides=strides, padding=_padding(call, padding), dilation_rate=dilations)
    kernel = _constant(call, filters)
    channels = input.shape[1] if options["data_format"] == "channels_first" else input.shape[-1]
    options |= {"kernel_size": kernel.shape[:-2], "filters": kernel.shape[-1], **NO_BIAS}
    options["groups"] = static_dim(call.layer.class_name, (channels,), 0) // kernel.shape[-2]
    return through_layer(call, f"Conv{input.rank - 2}D", options, input, kernel=kernel)


def _depthwise(
    call: LayerCall, input: Symbol, filter: Any, strides: Any, padding: Any, dilations: Any = None,
    data_format: str | None = None,
) -> Symbol:  # fmt: skip
    options = _spatial(input, data_format, strides=strides, padding=_padding(call, padding), dilation_rate=dilations)
    kernel = _constant(call, filter)
    options |= {"kernel_size": kernel.shape[:-2], "depth_multiplier": kernel.shape[-1], **NO_BIAS}
    return through_layer(call, "DepthwiseConv2D", options, input, kernel=kernel)


def _constant(call: LayerCall, kernel: Any) -> np.ndarray:
    if isinstance(kernel, Symbol):
        call.refuse("its kernel is computed by the model; it must be constant")
    return np.asarray(kernel, np.float32)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "nn.relu": lambda features: ops.relu(features),
    "nn.relu6": lambda features: ops.clip(features, 0.0, 6.0),
    "nn.elu": lambda features: ops.elu(features),
    "nn.leaky_relu": lambda features, alpha=0.2: ops.leaky_relu(features, alpha),
    "nn.gelu": lambda features, approximate=False: ops.gelu(features, approximate),
    "nn.silu": lambda features, beta=1.0: ops.multiply(features, ops.sigmoid(ops.multiply(features, beta))),
    "nn.softmax": lambda logits, axis=None: ops.softmax(logits, -1 if axis is None else axis),
    "nn.log_softmax": lambda logits, axis=None: ops.log_softmax(logits, -1 if axis is None else axis),
    "nn.selu": lambda features: ops.activation(Selu(), features),
    "nn.softsign": lambda features: ops.activation(Softsign(), features),
    "nn.crelu": lambda features, axis=-1: ops.concatenate([ops.relu(features), ops.relu(ops.negative(features))], axis),
    "nn.local_response_normalization": _local_response,
    "nn.moments": lambda x, axes, shift=None, keepdims=False: ops.moments(x, axes, keepdims),
    "nn.depth_to_space": lambda input, block_size, data_format="NHWC": ops.depth_to_space(
        input, block_size, LAYOUTS[data_format]
    ),
    "nn.space_to_depth": lambda input, block_size, data_format="NHWC": ops.space_to_depth(
        input, block_size, LAYOUTS[data_format]
    ),
    "nn.bias_add": bias_add,
}
"""Name in TensorFlow -> a function with TensorFlow's arguments."""


LAYERS: dict[str, Callable[..., Symbol]] = {
    **dict.fromkeys(("nn.max_pool", "nn.max_pool1d", "nn.max_pool2d", "nn.max_pool3d"), _pool("Max")),
    **dict.fromkeys(("nn.avg_pool", "nn.avg_pool1d", "nn.avg_pool2d", "nn.avg_pool3d"), _pool("Average")),
    **dict.fromkeys(("nn.conv1d", "nn.conv2d", "nn.conv3d", "nn.convolution"), _convolution),
    "nn.depthwise_conv2d": _depthwise,
}
"""Name in TensorFlow -> a function of the layer's call and TensorFlow's arguments."""
