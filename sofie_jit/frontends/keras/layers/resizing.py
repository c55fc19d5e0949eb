"""Resizing and CenterCrop: images in another size, one axis after the other.

The weights of the interpolation are bit-identical to TensorFlow's, which computes them in float32: the coordinates of
an output in a large image are exact to only some 1e-5 of a pixel there, which is visible in the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.layers.spatial import layout, one_of, spatial_axes
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.resample import Resample
from sofie_jit.ir.operators.slice import Slice
from sofie_jit.ir.types import MAX_TABLE, check_table, is_floating

F = np.float32
Weights = list[tuple[int, np.ndarray]]
"""For each output the index of the first input that it depends on, and the weights of this and the following inputs."""

CUBIC_STEPS = 1024
"""TensorFlow rounds coordinates to multiples of 1 / 1024 of a pixel to look up the weights of a cubic."""


def resize_images(
    call: LayerCall, x: Symbol, axes: Sequence[int], sizes: Sequence[int], method: str, antialias: bool = False
) -> Symbol:
    """``x`` resized to ``sizes`` along ``axes`` as by tf.image.resize. Refuses open sizes and interpolated integers."""
    _check_sizes(call, sizes)
    before = [x.shape[axis] for axis in axes]
    if list(before) == list(sizes):
        return x
    if method != "nearest" and not is_floating(x.dtype):
        call.refuse(f"its images are {x.dtype}, which {method} interpolation would round; pass float32 images")
    for axis, size in zip(axes, sizes, strict=True):
        old = x.shape[axis]
        if not isinstance(old, int):
            call.refuse(f"its input has shape {x.shape}; the size of the image must be known")
        check_table(f"{method} interpolation", size, 256)
        if method == "nearest":
            x = ops.take(x, nearest_indices(old, size), axis)
        elif antialias and method in ANTIALIASED:
            x = resample(call, x, axis, filtered(old, size, *ANTIALIASED[method], smooth=True))
        else:
            x = resample(call, x, axis, METHODS[method](old, size))
    return x


def resize_from_corners(
    call: LayerCall, x: Symbol, axis: int, new: int, method: str, align_corners: bool = False
) -> Symbol:
    """``x`` resized along ``axis`` as by TensorFlow 1, "bilinear" or "nearest".

    The first pixels of both images are aligned, with ``align_corners`` also the last ones. Refuses open sizes.
    """
    old = known_size(call, x, axis)
    _check_sizes(call, [new])
    check_table(f"{method} interpolation", new, 2)
    step = F(old - 1) / F(new - 1) if align_corners and new > 1 else F(old) / F(new)
    coordinates = np.arange(new).astype(F) * step
    if method == "nearest":
        nearest = np.floor(coordinates + F(0.5) if align_corners else coordinates).astype(np.int64)
        return ops.take(x, np.minimum(nearest, old - 1), axis)
    weights: Weights = []
    for at in coordinates:
        low = min(int(at), old - 1)
        fraction = at - F(low)
        weights.append((low, np.array([F(1) - fraction, fraction], F) if low < old - 1 else np.ones(1, F)))
    return resample(call, x, axis, weights)


def resample(call: LayerCall, x: Symbol, axis: int, weights: Weights) -> Symbol:
    """Weighted sums of neighboring elements along one axis."""
    check_table("resampling", len(weights), max(len(row) for _, row in weights))
    table = np.zeros((len(weights), max(len(row) for _, row in weights)), x.dtype)
    for line, (_, row) in zip(table, weights, strict=True):
        line[: len(row)] = row
    spans = np.array([(first, len(row)) for first, row in weights], np.int64)
    operands = call.constant(table, "weights"), call.constant(spans, "spans")
    resampled: Symbol = call.add(Resample(axis=axis), x, *operands)
    return resampled


def _coordinates(old: int, new: int) -> np.ndarray:
    """The coordinate of the center of each output in the input; 0 is the center of its first pixel."""
    coordinates: np.ndarray = (np.arange(new).astype(F) + F(0.5)) * (F(old) / F(new)) - F(0.5)
    return coordinates


def nearest_indices(old: int, new: int) -> np.ndarray:
    """The index of the input that each output repeats."""
    nearest = np.floor((np.arange(new).astype(F) + F(0.5)) * (F(old) / F(new)))
    inside: np.ndarray = np.minimum(nearest.astype(np.int64), old - 1)
    return inside


def bilinear(old: int, new: int) -> Weights:
    """The two neighbors of a coordinate weighted by distance; beyond the outermost pixels only these."""
    weights: Weights = []
    for at in _coordinates(old, new):
        low, high = max(int(np.floor(at)), 0), min(int(np.ceil(at)), old - 1)
        fraction = at - np.floor(at)
        weights.append((low, np.array([F(1) - fraction, fraction], F) if high > low else np.ones(1, F)))
    return weights


def bicubic(old: int, new: int) -> Weights:
    """Keys's cubic (a = -1/2) through the four neighbors of a coordinate; those outside the image have no weight."""
    weights: Weights = []
    for at in _coordinates(old, new):
        start = int(np.floor(at))
        step = int(np.rint((at - np.floor(at)) * F(CUBIC_STEPS)))
        distances = np.array([CUBIC_STEPS + step, step, CUBIC_STEPS - step, 2 * CUBIC_STEPS - step]) / CUBIC_STEPS
        first, last = max(start - 1, 0), min(start + 2, old - 1)
        row = _cubic(distances).astype(F)[first - start + 1 : last - start + 2]
        weights.append((first, row * (F(1) / row.sum(dtype=F))))
    return weights


def area(old: int, new: int) -> Weights:
    """The mean of the area of the image that an output covers."""
    scale = F(old) / F(new)
    weights: Weights = []
    for o in range(new):
        start, end = F(o) * scale, F(o + 1) * scale
        first, last = int(np.floor(start)), min(int(np.ceil(end)), old)
        pixels = np.arange(first, last).astype(F)
        parts = np.minimum(pixels + F(1), end) - np.maximum(pixels, start)
        parts[(pixels < start) & (pixels + F(1) > end)] = scale  # without the rounding error of end - start
        weights.append((first, parts / scale))
    return weights


def filtered(old: int, new: int, kernel: Callable[[np.ndarray], np.ndarray], radius: float, *, smooth: bool) -> Weights:
    """Pixels weighted by ``kernel``, a function of their distance; ``smooth`` widens it where images become smaller."""
    inverse = F(1) / (F(new) / F(old))
    width = max(inverse, F(1)) if smooth else F(1)
    weights: Weights = []
    for o in range(new):
        at = (F(o) + F(0.5)) * inverse
        if at > old:
            weights.append((0, np.zeros(0, F)))
            continue
        first = min(max(int(np.ceil(at - F(radius) * width - F(0.5))), 0), old - 1)
        last = min(max(int(np.floor(at + F(radius) * width - F(0.5))), 0), old - 1)
        distances = (np.arange(first, last + 1).astype(F) + F(0.5) - at) * (F(1) / width)
        row = kernel(np.abs(distances)).astype(F)
        weights.append((first, row * (F(1) / row.sum(dtype=F))))
    return weights


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.where(x < 1, 1 - x, 0)


def _cubic(x: np.ndarray) -> np.ndarray:
    near, far = ((1.5 * x - 2.5) * x) * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x >= 2, 0, np.where(x >= 1, far, near))


def _lanczos(radius: int) -> Callable[[np.ndarray], np.ndarray]:
    def kernel(x: np.ndarray) -> np.ndarray:
        turn = np.pi * np.maximum(x, 1e-3).astype(np.float64)
        wave = radius * np.sin(turn) * np.sin(turn / radius) / turn**2
        return np.where(x > radius, 0, np.where(x <= 1e-3, 1, wave))

    return kernel


def _gaussian(x: np.ndarray) -> np.ndarray:
    """A standard deviation of half a pixel, cut off at three deviations."""
    return np.where(x < 1.5, np.exp(-2 * x**2), 0)


def _mitchell(x: np.ndarray) -> np.ndarray:
    """The cubic of Mitchell and Netravali with both parameters 1/3."""
    near, far = (7 / 6 * x - 2) * x**2 + 8 / 9, ((-7 / 18 * x + 2) * x - 10 / 3) * x + 16 / 9
    return np.where(x >= 2, 0, np.where(x >= 1, far, near))


FILTERS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "lanczos3": (_lanczos(3), 3), "lanczos5": (_lanczos(5), 5), "gaussian": (_gaussian, 1.5),
    "mitchellcubic": (_mitchell, 2),
}  # fmt: skip
"""Name -> weight as a function of the distance, and the distance beyond which it is 0."""


def _filter(name: str) -> Callable[[int, int], Weights]:
    return lambda old, new: filtered(old, new, *FILTERS[name], smooth=False)


METHODS: dict[str, Callable[[int, int], Weights]] = {
    "bilinear": bilinear, "bicubic": bicubic, "area": area, **{name: _filter(name) for name in FILTERS},
}  # fmt: skip
ANTIALIASED = {"bilinear": (_triangle, 1.0), "bicubic": (_cubic, 2.0), **FILTERS}
INTERPOLATIONS = {name: name for name in ("nearest", *METHODS)}


@layer("Resizing", mask=stops, defaults={"interpolation": "bilinear", "data_format": "channels_last"})
def resizing(call: LayerCall, x: Symbol, training: bool = False) -> Symbol:
    """Images in another size; for another aspect ratio they are stretched, cropped, or padded with a constant.

    ``training``, which Keras 3 sets in all files, has no influence.
    """
    config, axes = call.config, _axes(call, x)
    size = _size(call)
    crop, padded = bool(config.get("crop_to_aspect_ratio")), bool(config.get("pad_to_aspect_ratio"))
    fill, value = config.get("fill_mode", "constant"), config.get("fill_value", 0.0)
    if crop and padded:
        call.refuse("crop_to_aspect_ratio and pad_to_aspect_ratio cannot both be True")
    if crop:
        x = _crop(call, x, axes, _matching(call, x, axes, size, min))
    if padded:
        if fill != "constant":
            call.refuse(f"fill_mode={fill!r} is not supported; expected 'constant'")
        pads = [0] * (2 * x.rank)
        for axis, matching in zip(axes, _matching(call, x, axes, size, max), strict=True):
            pads[axis] = pads[x.rank + axis] = (matching - known_size(call, x, axis)) // 2
        x = call.add(Pad(pads=pads, constant_value=value), x)
    method = one_of(call, "interpolation", INTERPOLATIONS)
    return resize_images(call, x, axes, size, method, bool(config.get("antialias")))


@layer("CenterCrop", mask=stops, defaults={"data_format": "channels_last"})
def center_crop(call: LayerCall, x: Symbol, training: bool = False) -> Symbol:
    """The center of images; smaller images are cropped to the layer's aspect ratio and resized.

    ``training`` has no influence.
    """
    axes, size = _axes(call, x), _size(call)
    if not is_floating(x.dtype):
        x = ops.cast(x, call.dtype)
    if all(known_size(call, x, axis) >= n for axis, n in zip(axes, size, strict=True)):
        return _crop(call, x, axes, size)
    return resize_images(call, _crop(call, x, axes, _matching(call, x, axes, size, min)), axes, size, "bilinear")


def _size(call: LayerCall) -> tuple[int, int]:
    """The height and width of the output."""
    size = int(call.config["height"]), int(call.config["width"])
    _check_sizes(call, size)
    return size


def _check_sizes(call: LayerCall, sizes: Sequence[int]) -> None:
    if not all(0 < size <= MAX_TABLE for size in sizes):
        call.refuse(f"its images have the size {' x '.join(map(str, sizes))}; sizes must be from 1 to {MAX_TABLE:,}")


def _axes(call: LayerCall, x: Symbol) -> tuple[int, int]:
    """The axes of height and width. Refuses inputs that are neither an image nor a batch of images."""
    if x.rank not in (3, 4):
        call.refuse(f"its input has shape {x.shape}; expected (batch, height, width, channels), or one image")
    height, width = (axis + x.rank - 4 for axis in spatial_axes(2, layout(call)))
    return height, width


def known_size(call: LayerCall, x: Symbol, axis: int) -> int:
    """The size of ``x`` along ``axis``. Refuses an open size."""
    size = x.shape[axis]
    if not isinstance(size, int):
        call.refuse(f"its input has shape {x.shape}; the size of the image must be known")
    return size


def _matching(
    call: LayerCall, x: Symbol, axes: Sequence[int], size: Sequence[int], choose: Callable[[int, int], int]
) -> tuple[int, int]:
    """Height and width with the aspect ratio of ``size``: the largest within the image (min) or smallest around it."""
    height, width = (known_size(call, x, axis) for axis in axes)
    matching_height = int(F(width * size[0]) / F(size[1]))
    matching_width = int(F(height * size[1]) / F(size[0]))
    return max(choose(height, matching_height), 1), max(choose(width, matching_width), 1)


def _crop(call: LayerCall, x: Symbol, axes: Sequence[int], size: Sequence[int]) -> Symbol:
    starts = [(known_size(call, x, axis) - n) // 2 for axis, n in zip(axes, size, strict=True)]
    ends = [start + n for start, n in zip(starts, size, strict=True)]
    cropped: Symbol = call.add(Slice(starts=starts, ends=ends, axes=list(axes)), x)
    return cropped
