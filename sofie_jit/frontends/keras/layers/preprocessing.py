"""Preprocessing: Rescaling, Normalization, and augmentations, which only training changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.axes import axes_of
from sofie_jit.frontends.keras.layers.registry import LayerCall, WeightNames, layer
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol


@layer("Rescaling")
def rescaling(call: LayerCall, x: Symbol) -> Symbol:
    """``x * scale + offset``; of integers in floating point."""
    scale, offset = (np.asarray(call.config[key], call.dtype) for key in ("scale", "offset"))
    y = ops.multiply(ops.cast(x, call.dtype), scale)
    return ops.add(y, offset) if offset.any() else y


def normalization_weights(config: Mapping[str, Any]) -> WeightNames:
    """What ``adapt`` found, unless mean and variance are options; ``count`` serves further adapting."""
    return ("mean", "variance", "count") if config["mean"] is None else ()


@layer("Normalization", weights=normalization_weights)
def normalization(call: LayerCall, x: Symbol) -> Symbol:
    """``(x - mean) / stddev`` by statistics for every index along ``axis``; or, with ``invert``, back again."""
    option = call.config["axis"]
    axes = [] if option is None or option == [] else axes_of(call, x, option)
    kept = [x.shape[axis] for axis in axes]
    if call.config["mean"] is None:
        shape = [n if isinstance(n, int) else None for n in kept]
        mean, variance = call.weight("mean", shape), call.weight("variance", shape)
    else:
        mean, variance = (np.asarray(call.config[key], call.dtype) for key in ("mean", "variance"))
    # statistics of fewer axes belong to the last of those kept
    own = dict(zip(reversed(axes), reversed(mean.shape), strict=False))
    aligned = [own.get(axis, 1) for axis in range(x.rank)]
    if mean.ndim > len(axes) or mean.size != np.prod(aligned, dtype=int):
        call.refuse(f"mean has the shape {mean.shape}, which does not fit axis={option!r} of its input {x.type}")
    mean, variance = np.reshape(mean, aligned), np.reshape(variance, aligned)
    deviation = np.maximum(np.sqrt(variance), np.asarray(ops.EPSILON, variance.dtype))
    x = ops.cast(x, call.dtype)
    if call.config["invert"]:
        return ops.add(ops.multiply(x, deviation), mean)
    return ops.divide(ops.subtract(x, mean), deviation)


# -- images ----------------------------------------------------------------------------------------------------------


def _check_training(call: LayerCall, training: bool) -> None:
    """Keras 3 writes training=True, these layers' default, into every file, and goes by how the model is called."""
    if training and "data_format" not in call.config:  # Keras 2
        call.refuse("called with training=True, it augments at random at inference too; save the model without it")


@layer(
    "AugMix", "CutMix", "Equalization", "MaxNumBoundingBoxes", "MixUp", "RandAugment", "RandomBrightness",
    "RandomColorDegeneration", "RandomColorJitter", "RandomContrast", "RandomElasticTransform", "RandomErasing",
    "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHeight", "RandomHue", "RandomInvert",
    "RandomPerspective", "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness",
    "RandomShear", "RandomTranslation", "RandomWidth", "RandomZoom", "Solarization",
)  # fmt: skip
def augmentation(call: LayerCall, images: Symbol, training: bool = False) -> Symbol:
    """The images as floating-point numbers: these layers act in training only."""
    if not isinstance(images, Symbol):
        call.refuse(
            f"it is called with {type(images).__name__} of tensors, images with labels or boxes; call it on the images "
            "alone, which it leaves as they are at inference"
        )
    _check_training(call, training)
    call.config.ignore(*call.config)
    return ops.cast(images, call.dtype)


@layer("RandomCrop")
def random_crop(call: LayerCall, images: Symbol, training: bool = False) -> Symbol:
    """Images that have the size asked for as they are; others Keras 2 cuts to its proportions and resizes.

    The versions of Keras 3 disagree about others, and some give another size than they say.
    """
    config = call.config
    _check_training(call, training)
    size = [int(config["height"]), int(config["width"])]
    data_format = config.get("data_format") or "channels_last"
    first = images.rank - 3 if data_format == "channels_last" else images.rank - 2
    images = ops.cast(images, call.dtype)
    if list(images.shape[first : first + 2]) == size:
        config.ignore("crop_to_aspect_ratio")
        return images
    if not config.get("crop_to_aspect_ratio"):
        call.refuse(
            f"Keras 3 leaves it open how images {images.shape} become {size} at inference; put a Resizing or "
            "CenterCrop in its place"
        )
    options = {
        "height": size[0], "width": size[1], "interpolation": "bilinear", "crop_to_aspect_ratio": True,
        "pad_to_aspect_ratio": False, "antialias": False, "fill_mode": "constant", "fill_value": 0.0,
        "data_format": data_format,
    }  # fmt: skip
    spec = {"class_name": "Resizing", "package": "", "config": options, "saved_class": "Resizing"}
    resized: Symbol = call.sublayer("resizing", spec)(images)
    return resized


@layer("AutoContrast")
def auto_contrast(call: LayerCall, images: Symbol, training: bool = False) -> Symbol:
    """Every channel of every image stretched to the range of values that there is."""
    low, high = (float(limit) for limit in call.config["value_range"])
    call.config.ignore("data_format")  # Keras looks at axes 1 and 2 in both formats
    x = ops.cast(images, call.dtype)
    y = ops.multiply(ops.divide(ops.subtract(x, low), high - low), 255.0)
    darkest, brightest = (of(y, axis=(1, 2), keepdims=True) for of in (ops.min, ops.max))
    scale = ops.divide(255.0, ops.subtract(brightest, darkest))
    y = ops.clip(ops.add(ops.multiply(y, scale), ops.multiply(ops.negative(darkest), scale)), 0.0, 255.0)
    y = ops.add(ops.multiply(ops.divide(y, 255.0), high - low), low)
    return ops.where(ops.isnan(y), x, y)
