"""Augmentations of images, which act in training only; some of them also change images at inference."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.layers.resizing import resize_images
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import maximum, minimum


def _check_training(call: LayerCall, training: bool) -> None:
    if training:  # in Keras 2
        call.refuse("called with training=True, it augments at random also at inference; save the model without it")


def _minor(call: LayerCall) -> int | None:
    """The minor version of the Keras 3 that saved the layer; None if it is unknown, or for Keras 2."""
    release = re.match(r"3\.(\d+)\.", call.layer.keras_version)
    return int(release[1]) if release else None


AS_GIVEN = frozenset((
    "Equalization", "MixUp", "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter",
    "RandomContrast", "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPosterization", "RandomSaturation",
))  # fmt: skip
"""Layers that do not convert images to floating point at inference, since Keras 3.6."""


@layer("RandomHeight", "RandomWidth")
@layer(
    "AugMix", "CutMix", "Equalization", "MixUp", "RandAugment", "RandomBrightness",
    "RandomColorDegeneration", "RandomColorJitter", "RandomContrast", "RandomElasticTransform", "RandomErasing",
    "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective",
    "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear",
    "RandomTranslation", "RandomZoom", "Solarization",
    mask=stops,
)  # fmt: skip
def augmentation(call: LayerCall, images: Any, training: bool = False) -> Any:
    """The images, and the labels, masks and boxes that a dict has with them: these layers act in training only."""
    _check_training(call, training)
    call.config.ignore(*call.config)
    minor = _minor(call)
    given = call.layer.class_name in AS_GIVEN and call.layer.keras_major >= 3 and (minor is None or minor >= 6)
    result = _of_images(call, images, lambda x: x if given else ops.cast(x, call.dtype))
    if call.layer.class_name == "RandomFlip" and isinstance(result, dict) and "segmentation_masks" in result:
        result["segmentation_masks"] = ops.cast(result["segmentation_masks"], call.dtype)
    return result


def _of_images(call: LayerCall, data: Any, change: Callable[[Symbol], Symbol]) -> Any:
    """``change`` of the images ``data``, or of the "images" of a dict, which has labels, masks and boxes with them."""
    if isinstance(data, Symbol):
        return change(data)
    if not isinstance(data, Mapping) or not isinstance(data.get("images"), Symbol):
        call.refuse(f"called with a {type(data).__name__} of tensors; expected images, or a dict with the key 'images'")
    result = {**data, "images": change(data["images"])}
    if boxes := data.get("bounding_boxes"):
        result["bounding_boxes"] = {**boxes, "boxes": ops.cast(boxes["boxes"], "float32")}
    return result


@layer("MaxNumBoundingBoxes", mask=stops, defaults={"fill_value": -1})
def max_num_bounding_boxes(call: LayerCall, images: Any, training: bool = False) -> Any:
    """The images with ``max_number`` boxes: further ones are left out, missing ones are filled with ``fill_value``."""
    call.config.ignore("data_format")
    number, fill = int(call.config["max_number"]), call.config["fill_value"]

    def of_number(x: Symbol) -> Symbol:
        kept = minimum(x.shape[1], number)
        x = ops.cut(x, [1], [(0, x.shape[1] - kept)])
        return ops.pad(x, [(0, number - kept if axis == 1 else 0) for axis in range(x.rank)], constant_values=fill)

    result = _of_images(call, images, lambda x: x)
    if isinstance(result, dict) and "bounding_boxes" in result:
        result["bounding_boxes"] = {key: of_number(value) for key, value in result["bounding_boxes"].items()}
    return result


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
    _check_training(call, training)
    config, minor = call.config, _minor(call)
    height, width = int(config["height"]), int(config["width"])
    data_format = config.get("data_format") or "channels_last"
    first = images.rank - 3 if data_format == "channels_last" else images.rank - 2
    if minor is not None and minor >= 8:
        return images
    images = ops.cast(images, call.dtype)
    given = images.shape[first : first + 2]
    if given == (height, width):
        return images
    if call.layer.keras_major >= 3 and minor is None:
        call.refuse(
            f"versions of Keras 3 differ in how images {images.shape} become {(height, width)} at inference, and the "
            "file does not say which one saved it; replace it by a Resizing or CenterCrop"
        )
    if minor is not None and minor >= 6:
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
def auto_contrast(call: LayerCall, images: Any, training: bool = False) -> Any:
    """Each channel of each image stretched to the whole ``value_range``."""
    return _of_images(call, images, lambda x: _stretched(call, x))


def _stretched(call: LayerCall, images: Symbol) -> Symbol:
    low, high = (float(limit) for limit in call.config["value_range"])
    call.config.ignore("data_format")  # Keras reduces axes 1 and 2 in both formats
    x = ops.cast(images, call.dtype)
    y = ops.multiply(ops.divide(ops.subtract(x, low), high - low), 255.0)
    darkest, brightest = (of(y, axis=(1, 2), keepdims=True) for of in (ops.min, ops.max))
    scale = ops.divide(255.0, ops.subtract(brightest, darkest))
    y = ops.clip(ops.add(ops.multiply(y, scale), ops.multiply(ops.negative(darkest), scale)), 0.0, 255.0)
    y = ops.add(ops.multiply(ops.divide(y, 255.0), high - low), low)
    return ops.where(ops.isnan(y), x, y)
