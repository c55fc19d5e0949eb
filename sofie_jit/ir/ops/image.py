"""Functions of images: colors, patches, borders.

Images are (..., height, width, channels), or (..., channels, height, width) with ``data_format="channels_first"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import Dim, product
from sofie_jit.ir.operators.geometry import same_padding
from sofie_jit.ir.ops.core import cast, floating
from sofie_jit.ir.ops.elementwise import absolute, add, clip, divide, equal, greater, less, multiply, subtract, where
from sofie_jit.ir.ops.matrix_product import matmul
from sofie_jit.ir.ops.nn import windows
from sofie_jit.ir.ops.reductions import max, min
from sofie_jit.ir.ops.shapes import cut, moveaxis, pad, reshape, stack, transpose, unstack
from sofie_jit.ir.symbol import Symbol

CHANNELS_FIRST = "channels_first"


def rgb_to_grayscale(images: Symbol, data_format: str | None = None) -> Symbol:
    """The brightness of RGB images, with one channel; images of one channel stay as they are."""
    axis = -3 if data_format == CHANNELS_FIRST else -1
    if images.shape[axis] == 1:
        return images
    weights = np.array([[0.2989], [0.5870], [0.1140]])
    x = moveaxis(cast(images, floating(images)), axis, -1)
    return cast(moveaxis(matmul(x, weights.astype(x.dtype)), -1, axis), images.dtype)


def rgb_to_hsv(images: Symbol, data_format: str | None = None) -> Symbol:
    """RGB images as hue, saturation and value, all in [0, 1]."""
    axis = -3 if data_format == CHANNELS_FIRST else -1
    red, green, blue = unstack(images, axis=axis)
    value, least = max(images, axis), min(images, axis)
    spread = subtract(value, least)
    colored = greater(spread, 0)
    norm = divide(1.0, multiply(where(colored, spread, 1), 6.0))
    of_red, of_green, of_blue = (
        add(multiply(subtract(a, b), norm), turn / 6)
        for a, b, turn in ((green, blue, 0), (blue, red, 2), (red, green, 4))
    )
    hue = where(equal(red, value), of_red, where(equal(green, value), of_green, of_blue))
    hue = where(colored, where(less(hue, 0), add(hue, 1.0), hue), 0)
    positive = greater(value, 0)
    saturation = where(positive, divide(spread, where(positive, value, 1)), 0)
    return stack([hue, saturation, value], axis)


def hsv_to_rgb(images: Symbol, data_format: str | None = None) -> Symbol:
    """HSV images as RGB; the inverse of :func:`rgb_to_hsv`."""
    axis = -3 if data_format == CHANNELS_FIRST else -1
    hue, saturation, value = unstack(images, axis=axis)
    turn = multiply(hue, 6.0)
    red = subtract(absolute(subtract(turn, 3.0)), 1.0)
    green, blue = (subtract(2.0, absolute(subtract(turn, center))) for center in (2.0, 4.0))
    gray = subtract(1.0, saturation)
    colors = [multiply(add(gray, multiply(saturation, clip(c, 0.0, 1.0))), value) for c in (red, green, blue)]
    return stack(colors, axis)


def extract_patches(
    images: Symbol, size: Any, strides: Any = None, dilation_rate: Any = 1, padding: str = "valid",
    data_format: str | None = None,
) -> Symbol:  # fmt: skip
    """The patches of images, each flattened into the channels of one pixel.

    ``size`` has one number for all spatial axes, or two; three are for volumes. ``strides`` are by default ``size``.
    Raises ShapeError if the number of axes does not fit.

    >>> ops.extract_patches(ops.expand_dims(x, -1), (2, 1)).shape
    (batch, 1, 3, 2)
    """
    if data_format == CHANNELS_FIRST:
        return moveaxis(extract_patches(moveaxis(images, 1, -1), size, strides, dilation_rate, padding), -1, 1)
    count = len(size) if isinstance(size, Sequence) else 2
    if images.rank != count + 2:
        raise ShapeError(f"extract_patches of size {size} needs images of {count + 2} axes, got {images.type}")
    sizes, steps, dilations = (
        [n] * count if isinstance(n, int) else list(n) for n in (size, strides or size, dilation_rate)
    )
    x = images
    for axis in reversed(range(count)):
        k, step, dilation = sizes[axis], steps[axis], dilations[axis]
        if padding.lower() == "same":
            border = same_padding(x.shape[axis + 1], (k - 1) * dilation + 1, step)
            x = pad(x, [border if a == axis + 1 else (0, 0) for a in range(x.rank)])
        x = windows(x, axis + 1, k, step, dilation)
    starts, offsets = list(range(1, 2 * count + 1, 2)), list(range(2, 2 * count + 2, 2))
    x = transpose(x, [0, *starts, *offsets, 2 * count + 1])
    return reshape(x, (*x.shape[: count + 1], product(*x.shape[count + 1 :])))


def pad_images(
    images: Symbol, top_padding: int | None = None, left_padding: int | None = None, bottom_padding: int | None = None,
    right_padding: int | None = None, target_height: int | None = None, target_width: int | None = None,
    data_format: str | None = None,
) -> Symbol:  # fmt: skip
    """Images with a border of zeros; for each axis, two of the two paddings and the target size must be given."""
    first = images.rank - (2 if data_format == CHANNELS_FIRST else 3)
    borders: list[tuple[Dim, Dim]] = [(0, 0)] * images.rank
    for axis, (before, after, target) in enumerate(
        [(top_padding, bottom_padding, target_height), (left_padding, right_padding, target_width)], first
    ):
        size = images.shape[axis]
        begin: Dim = target - size - after if before is None else before  # type: ignore[operator]
        borders[axis] = begin, target - size - begin if after is None else after  # type: ignore[operator]
    return pad(images, borders)


def crop_images(
    images: Symbol, top_cropping: int | None = None, left_cropping: int | None = None,
    bottom_cropping: int | None = None, right_cropping: int | None = None, target_height: int | None = None,
    target_width: int | None = None, data_format: str | None = None,
) -> Symbol:  # fmt: skip
    """Images with borders cut off; for each axis, two of the two croppings and the target size must be given."""
    first = images.rank - (2 if data_format == CHANNELS_FIRST else 3)
    borders: list[tuple[Dim, Dim]] = []
    for axis, (before, after, target) in enumerate(
        [(top_cropping, bottom_cropping, target_height), (left_cropping, right_cropping, target_width)], first
    ):
        size = images.shape[axis]
        begin: Dim = size - target - after if before is None else before  # type: ignore[operator]
        borders.append((begin, size - begin - target if after is None else after))  # type: ignore[operator]
    return cut(images, [first, first + 1], borders)
