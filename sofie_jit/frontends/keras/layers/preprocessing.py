"""Preprocessing: Rescaling, Normalization, and augmentations, which act in training only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.axes import axes_of_option
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import WeightNames, layer
from sofie_jit.frontends.keras.layers.resizing import resize_images
from sofie_jit.frontends.keras.layers.sublayers import sublayer_weights
from sofie_jit.frontends.keras.masks import passes_since_keras_3, stops
from sofie_jit.frontends.keras.weights import snake_case
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import maximum, minimum


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
    return tuple(name for path, spec in _stages(config) for name in sublayer_weights(path, spec))


def _stages(config: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The layers of a Pipeline with their attribute paths."""
    count: Counter[str] = Counter()
    stages = []
    for spec in config["layers"]:
        name = snake_case(spec["saved_class"].rpartition(">")[2])
        stages.append((f"_pipeline_layers/{name}_{count[name]}" if count[name] else f"_pipeline_layers/{name}", spec))
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


# -- images ----------------------------------------------------------------------------------------------------------


def _check_training(call: LayerCall, training: bool) -> None:
    if training:  # in Keras 2
        call.refuse("called with training=True, it augments at random also at inference; save the model without it")


@layer("RandomHeight", "RandomWidth")
@layer(
    "AugMix", "CutMix", "Equalization", "MaxNumBoundingBoxes", "MixUp", "RandAugment", "RandomBrightness",
    "RandomColorDegeneration", "RandomColorJitter", "RandomContrast", "RandomElasticTransform", "RandomErasing",
    "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective",
    "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear",
    "RandomTranslation", "RandomZoom", "Solarization",
    mask=stops,
)  # fmt: skip
def augmentation(call: LayerCall, images: Symbol, training: bool = False) -> Symbol:
    """The images in floating point: these layers act in training only."""
    if not isinstance(images, Symbol):
        call.refuse(
            f"it is called with a {type(images).__name__} of tensors, images with labels or boxes; call it on the "
            "images alone, which it does not change at inference"
        )
    _check_training(call, training)
    call.config.ignore(*call.config)
    return ops.cast(images, call.dtype)


@layer(
    "RandomCrop",
    mask=stops,
    refuses="images of another size than its own if the version of Keras 3 that saved it is unknown",
)
def random_crop(call: LayerCall, images: Symbol, training: bool = False) -> Symbol:
    """Images of the layer's size as they are; others as the version of Keras treats them that saved the layer.

    Keras 2, and 3 before 3.6, crop them to the aspect ratio and resize them. Keras 3.6 and 3.7 crop them, and resize
    what is too small. Later ones return them as they are.
    """
    config, version = call.config, call.layer.keras_version
    _check_training(call, training)
    height, width = int(config["height"]), int(config["width"])
    data_format = config.get("data_format") or "channels_last"
    first = images.rank - 3 if data_format == "channels_last" else images.rank - 2
    images = ops.cast(images, call.dtype)
    given = images.shape[first : first + 2]
    release = re.match(r"3\.(\d+)\.", version)
    if given == (height, width) or (release and int(release[1]) >= 8):
        return images
    if call.layer.keras_major >= 3 and not release:
        call.refuse(
            f"versions of Keras 3 differ in how images {images.shape} become {(height, width)} at inference, and the "
            "file does not say which one saved it; replace it by a Resizing or CenterCrop"
        )
    if release and int(release[1]) >= 6:
        images = _crop_of_keras_3_6(call, images, first, (height, width))
        return resize_images(call, images, (first, first + 1), (height, width), "bilinear")
    options = {
        "height": height, "width": width, "interpolation": "bilinear", "crop_to_aspect_ratio": True,
        "pad_to_aspect_ratio": False, "antialias": False, "fill_mode": "constant", "fill_value": 0.0,
        "data_format": data_format,
    }  # fmt: skip
    spec = {"class_name": "Resizing", "package": "", "config": options, "saved_class": "Resizing"}
    resized: Symbol = call.sublayer("resizing", spec)(images)
    return resized


def _crop_of_keras_3_6(call: LayerCall, images: Symbol, first: int, size: tuple[int, int]) -> Symbol:
    """A part of the ``size`` of the layer, or less where images end, that begins where the largest one of its aspect
    ratio around the center does. ``first`` is the axis of the height.
    """
    given = images.shape[first : first + 2]
    for axis, (old, other), (new, others) in zip(
        (first, first + 1), (given, given[::-1]), (size, size[::-1]), strict=True
    ):
        largest = maximum(minimum(old, other * new // others), 1)
        start = (old - largest) // 2
        images = ops.cut(images, [axis], [(start, old - minimum(start + new, old))])
    return images


@layer("AutoContrast", mask=stops)
def auto_contrast(call: LayerCall, images: Symbol, training: bool = False) -> Symbol:
    """Each channel of each image stretched to the whole ``value_range``."""
    low, high = (float(limit) for limit in call.config["value_range"])
    call.config.ignore("data_format")  # Keras reduces axes 1 and 2 in both formats
    x = ops.cast(images, call.dtype)
    y = ops.multiply(ops.divide(ops.subtract(x, low), high - low), 255.0)
    darkest, brightest = (of(y, axis=(1, 2), keepdims=True) for of in (ops.min, ops.max))
    scale = ops.divide(255.0, ops.subtract(brightest, darkest))
    y = ops.clip(ops.add(ops.multiply(y, scale), ops.multiply(ops.negative(darkest), scale)), 0.0, 255.0)
    y = ops.add(ops.multiply(ops.divide(y, 255.0), high - low), low)
    return ops.where(ops.isnan(y), x, y)
