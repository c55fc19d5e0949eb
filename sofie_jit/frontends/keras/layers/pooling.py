"""Max and average pooling, over windows and global."""

from __future__ import annotations

from typing import Any

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.layers.spatial import (
    channels,
    dimensions,
    layout,
    per_axis,
    per_axis_default,
    spatial_axes,
    window_options,
)
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.frontends.keras.origin import COUNTED_BY_THEANO, CROPPED_BY_THEANO
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.pool import AveragePool, GlobalAveragePool, GlobalMaxPool, GlobalPool, MaxPool, Pool
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.types import is_floating, is_integer

GLOBAL = {"data_format": "channels_last", "keepdims": False}
"""Defaults of the global layers."""
RENAMED = {"stride": "strides"}


def _defaults(class_name: str) -> dict[str, Any]:
    return {
        "strides": None,
        "padding": "valid",
        "data_format": "channels_last",
        "pool_size": per_axis_default(class_name, 2),
    }


@layer("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", mask=stops, defaults=_defaults, renamed=RENAMED)
def max_pooling(call: LayerCall, x: Symbol) -> Symbol:
    """The largest element of each window."""
    return _pooling(call, x, MaxPool)


@layer("AveragePooling1D", "AveragePooling2D", "AveragePooling3D", mask=stops, defaults=_defaults, renamed=RENAMED)
def average_pooling(call: LayerCall, x: Symbol) -> Symbol:
    """The mean of each window, without its padding."""
    return _pooling(call, x, AveragePool)


@layer("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D", mask=stops, defaults=GLOBAL)
def global_max_pooling(call: LayerCall, x: Symbol) -> Symbol:
    """The largest element of each channel."""
    if not is_floating(x.dtype):
        axes = spatial_axes(dimensions(call, x), layout(call))
        return ops.max(x, tuple(axes), keepdims=bool(call.config["keepdims"]))
    return _global_pooling(call, x, GlobalMaxPool)


@layer("GlobalAveragePooling1D", mask=stops, promotes=True, defaults=GLOBAL)
def global_average_pooling_1d(call: LayerCall, x: Symbol, mask: Symbol | None = None) -> Symbol:
    """The mean of each channel over the steps that are not masked."""
    _check_mean(call, x)
    if mask is None:
        return _global_pooling(call, x, GlobalAveragePool)
    steps = 1 if layout(call) == "NHWC" else 2
    keep = bool(call.config["keepdims"])
    if call.layer.keras_major < 3:  # numbers in a mask are weights
        weights = ops.cast(ops.expand_dims(mask, 3 - steps), x.dtype)
        return ops.divide(ops.sum(ops.multiply(x, weights), steps, keep), ops.sum(weights, steps, keep))
    counts = ops.expand_dims(ops.cast(mask, "bool"), 3 - steps)
    total = ops.sum(ops.where(counts, x, 0.0), steps, keep)
    return ops.divide(total, ops.sum(ops.cast(counts, x.dtype), steps, keep))


@layer("GlobalAveragePooling2D", "GlobalAveragePooling3D", mask=stops, promotes=True, defaults=GLOBAL)
def global_average_pooling(call: LayerCall, x: Symbol) -> Symbol:
    """The mean of each channel."""
    _check_mean(call, x)
    return _global_pooling(call, x, GlobalAveragePool)


def _check_mean(call: LayerCall, x: Symbol) -> None:
    """Refuses the mean of integers in Keras 2, which TensorFlow rounds."""
    if call.layer.keras_major < 3 and is_integer(x.dtype):
        call.refuse(
            f"its input is {x.dtype}; Keras 2 rounds the mean of integers, which is not supported; pass float32"
        )


def _same_of_theano(size: int) -> tuple[int, int]:
    """The padding of Theano's pooling with ``padding="same"``."""
    before = size - 2 if size > 2 and size % 2 else size - 1
    return before, size - 1 - before


def _pooling(call: LayerCall, x: Symbol, operator: type[Pool]) -> Symbol:
    count = dimensions(call, x)
    size = per_axis(call, "pool_size", count)
    strides = size if call.config["strides"] is None else per_axis(call, "strides", count)
    options = window_options(call, size, [1] * count, _same_of_theano)
    if call.config["padding"] == CROPPED_BY_THEANO and 1 in size:
        call.refuse(
            f"pool_size={call.config['pool_size']!r} with padding='same', for which Keras with Theano crops the image "
            "and may return NaN; pass config= with other options in this layer"
        )
    if operator is AveragePool and call.config["padding"] == COUNTED_BY_THEANO:
        options["count_include_pad"] = True
    pooled: Symbol = call.add(operator(kernel_shape=size, strides=strides, layout=layout(call), **options), x)
    return pooled


def _global_pooling(call: LayerCall, x: Symbol, operator: type[GlobalPool]) -> Symbol:
    dimensions(call, x)
    data_layout = layout(call)
    y: Symbol = call.add(operator(layout=data_layout), x)
    if call.config["keepdims"]:
        return y
    flat: Symbol = call.add(Reshape(shape=(0, channels(call, x, data_layout))), y)
    return flat
