"""Functions of ``tf.image``, with TensorFlow's arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.resizing import METHODS, resize_from_corners, resize_images
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import FIX_SIZES, Dim, as_dim, product
from sofie_jit.ir.size_arrays import SizeArrays, scaled_size
from sofie_jit.ir.types import is_floating


def central_crop(image: Symbol, central_fraction: float) -> Symbol:
    """The center of images, ``central_fraction`` of their height and width."""
    axes = [image.rank - 3, image.rank - 2]
    starts = [
        scaled_size(
            "central_crop",
            image.shape[axis],
            (1 - central_fraction) / 2,
            computed=lambda n: (n - n * central_fraction) / 2,
        )
        for axis in axes
    ]
    return ops.cut(image, axes, [(start, start) for start in starts])


def crop_to_bounding_box(
    image: Symbol, offset_height: int, offset_width: int, target_height: int, target_width: int
) -> Symbol:
    """The part of images of a given size at an offset."""
    return ops.crop_images(image, offset_height, offset_width, None, None, target_height, target_width)


def pad_to_bounding_box(
    image: Symbol, offset_height: int, offset_width: int, target_height: int, target_width: int
) -> Symbol:
    """Images of a given size that contain ``image`` at an offset, and zeros around it."""
    return ops.pad_images(image, offset_height, offset_width, None, None, target_height, target_width)


def per_image_standardization(image: Symbol) -> Symbol:
    """``(image - mean) / stddev`` for each image; the deviation is at least ``1 / sqrt(number of elements)``."""
    axes = [-3, -2, -1]
    a, count = SizeArrays(image.builder, *image.shape[-3:]), product(*image.shape[-3:])
    least = a.cast(1 / a.sqrt(a.number(count, "float64")), image.dtype)
    deviation = ops.maximum(ops.std(image, axes, keepdims=True), least)
    return ops.divide(ops.subtract(image, ops.mean(image, axes, keepdims=True)), deviation)


def adjust_contrast(images: Symbol, contrast_factor: float) -> Symbol:
    """``(images - mean) * contrast_factor + mean`` for each channel."""
    gray = ops.mean(images, [-3, -2], keepdims=True)
    return ops.add(ops.multiply(ops.subtract(images, gray), contrast_factor), gray)


def extract_patches(images: Symbol, sizes: Any, strides: Any, rates: Any, padding: str) -> Symbol:
    """The patches of images, each flattened into one pixel."""
    return ops.extract_patches(images, sizes[1:3], strides[1:3], rates[1:3], padding.lower())


def convert_image_dtype(image: Symbol, dtype: Any, saturate: bool = False) -> Symbol:
    """A cast between floating-point types. Raises UnsupportedLayerError for integers, which TensorFlow scales."""
    if not (is_floating(image.dtype) and is_floating(ops.element_type(dtype))):
        raise UnsupportedLayerError("convert_image_dtype from or to integers is not supported; scale by arithmetic")
    return ops.cast(image, dtype)


def resize(
    call: LayerCall,
    images: Symbol,
    size: Sequence[Dim],
    method: Any = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
) -> Symbol:
    """``tf.image.resize`` of TensorFlow 2. Refuses unknown methods."""
    if method not in METHODS and method != "nearest":
        call.refuse(f"tf.image.resize with method={method!r} is not supported; expected nearest, {', '.join(METHODS)}")
    if method != "nearest":
        images = ops.cast(images, "float32")
    sizes = list(map(as_dim, size))
    if preserve_aspect_ratio:
        before = [images.shape[axis] for axis in (1, 2)]
        if not all(isinstance(size, int) for size in before):
            call.refuse("preserve_aspect_ratio=True needs images of a known size", FIX_SIZES)
        known = np.array(before, np.float32)
        sizes = [int(n) for n in np.round((np.array(sizes, np.float32) / known).min() * known)]
    return resize_images(call, images, (1, 2), sizes, method, antialias)


def resize_of_tensorflow_1(method: str) -> Callable[..., Symbol]:
    """``tf.compat.v1.image.resize_bilinear`` or ``resize_nearest_neighbor``, which align the first pixels."""

    def resize_from_first(
        call: LayerCall, images: Symbol, size: Any, align_corners: bool = False, half_pixel_centers: bool = False
    ) -> Symbol:
        if half_pixel_centers and not align_corners:
            return resize(call, images, size, method)
        images = images if method == "nearest" else ops.cast(images, "float32")
        for axis, new in zip((1, 2), size, strict=True):
            images = resize_from_corners(call, images, axis, as_dim(new), method, align_corners)
        return images

    return resize_from_first


def resize_images_of_tensorflow_1(
    call: LayerCall, images: Symbol, size: Any, method: Any = "bilinear", align_corners: bool = False,
    preserve_aspect_ratio: bool = False,
) -> Symbol:  # fmt: skip
    """``tf.compat.v1.image.resize`` by ``method``, a name or its number."""
    name = {0: "bilinear", 1: "nearest"}.get(method, method)
    if preserve_aspect_ratio or name not in ("bilinear", "nearest"):
        call.refuse(f"TensorFlow 1's resize with {method=}, {preserve_aspect_ratio=} is not supported")
    return resize_of_tensorflow_1(name)(call, images, size, align_corners)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "image.flip_left_right": lambda image: ops.flip(image, -2),
    "image.flip_up_down": lambda image: ops.flip(image, -3),
    "image.rgb_to_grayscale": lambda images: ops.rgb_to_grayscale(images),
    "image.grayscale_to_rgb": lambda images: ops.tile(images, [1] * (images.rank - 1) + [3]),
    "image.central_crop": central_crop,
    "image.crop_to_bounding_box": crop_to_bounding_box,
    "image.pad_to_bounding_box": pad_to_bounding_box,
    "image.per_image_standardization": per_image_standardization,
    "image.adjust_brightness": lambda image, delta: ops.add(image, delta),
    "image.adjust_contrast": adjust_contrast,
    "image.convert_image_dtype": convert_image_dtype,
    "image.extract_patches": extract_patches,
}
"""Name in TensorFlow -> a function with TensorFlow's arguments."""

LAYERS: dict[str, Callable[..., Symbol]] = {
    "image.resize_images": resize_images_of_tensorflow_1,
    "image.resize_bilinear": resize_of_tensorflow_1("bilinear"),
    "image.resize_nearest_neighbor": resize_of_tensorflow_1("nearest"),
}
"""Name in TensorFlow -> a function of the layer's call and TensorFlow's arguments."""
