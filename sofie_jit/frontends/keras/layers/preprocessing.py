"""Preprocessing: Rescaling, Normalization, Pipeline, and the features of FeatureSpace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.axes import axes_of_option
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import WeightNames, layer
from sofie_jit.frontends.keras.layers.sublayers import model_weights
from sofie_jit.frontends.keras.masks import passes_since_keras_3, stops
from sofie_jit.frontends.keras.weights import snake_case
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol


@layer("Rescaling", mask=passes_since_keras_3, defaults={"offset": 0.0})
def rescaling(call: LayerCall, x: Symbol) -> Symbol:
    """``x * scale + offset``, in floating point."""
    scale, offset = (np.asarray(call.config[key], call.dtype) for key in ("scale", "offset"))
    y = ops.multiply(ops.cast(x, call.dtype), scale)
    return ops.add(y, offset) if offset.any() else y


def normalization_weights(config: Mapping[str, Any]) -> WeightNames:
    """The statistics that ``adapt`` computed, unless mean and variance are options; only ``adapt`` uses ``count``."""
    return ("mean", "variance", "count") if config["mean"] is None else ()


@layer(
    "Normalization",
    weights=normalization_weights,
    mask=passes_since_keras_3,
    defaults={"axis": -1, "mean": None, "variance": None, "invert": False},
)
def normalization(call: LayerCall, x: Symbol) -> Symbol:
    """``(x - mean) / stddev`` with statistics for each index along ``axis``, or the inverse with ``invert``."""
    option = call.config["axis"]
    axes = [] if option is None or option == [] else axes_of_option(call, x, option)
    kept = [x.shape[axis] for axis in axes]
    if call.config["mean"] is None:
        shape = [n if isinstance(n, int) else None for n in kept]
        mean, variance = call.weight("mean", shape), call.weight("variance", shape)
    else:
        mean, variance = (np.asarray(call.config[key], call.dtype) for key in ("mean", "variance"))
    # statistics with fewer axes belong to the last of ``axes``
    own = dict(zip(reversed(axes), reversed(mean.shape), strict=False))
    aligned = [own.get(axis, 1) for axis in range(x.rank)]
    if mean.ndim > len(axes) or mean.size != np.prod(aligned, dtype=int):
        call.refuse(f"mean has shape {mean.shape}, which does not fit axis={option!r} of its input {x.type}")
    mean, variance = np.reshape(mean, aligned), np.reshape(variance, aligned)
    deviation = np.maximum(np.sqrt(variance), np.asarray(ops.EPSILON, variance.dtype))
    x = ops.cast(x, call.dtype)
    if call.config["invert"]:
        return ops.add(ops.multiply(x, deviation), mean)
    return ops.divide(ops.subtract(x, mean), deviation)


def _pipeline_weights(config: Mapping[str, Any]) -> WeightNames:
    """Those of a Sequential model with its layers."""
    model = {"class_name": "Sequential", "package": "", "config": {"name": "", "layers": config["layers"]}}
    return model_weights("", model)


def _stages(config: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The layers of a Pipeline with their attribute paths."""
    count: Counter[str] = Counter()
    stages = []
    for spec in config["layers"]:
        name = snake_case(spec["saved_class"].rpartition(">")[2])
        stages.append((f"layers/{name}_{count[name]}" if count[name] else f"layers/{name}", spec))
        count[name] += 1
    return stages


@layer("Pipeline", weights=_pipeline_weights, mask=stops)
def pipeline(call: LayerCall, x: Symbol, training: bool = False) -> Symbol:
    """Layers one after the other."""
    for path, spec in _stages(call.config):
        x = call.sublayer(path, spec)(x)
    return x


# -- FeatureSpace ----------------------------------------------------------------------------------------------------


@layer("TFDConcat", mask=stops)
def concatenated_features(call: LayerCall, inputs: list[Symbol]) -> Symbol:
    """Features side by side, as FeatureSpace joins them."""
    return ops.concatenate(inputs, axis=int(call.config["axis"]))


@layer("TFDIdentity", mask=passes_since_keras_3)
def feature(call: LayerCall, x: Symbol) -> Symbol:
    """``x``: a feature that FeatureSpace leaves as it is."""
    return x
