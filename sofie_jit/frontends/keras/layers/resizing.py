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
from sofie_jit.frontends.resampling import Table, check_known, indices, normalized, resample
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, ceil_div, maximum, minimum
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.size_arrays import Array, SizeArrays
from sofie_jit.ir.types import MAX_TABLE, is_floating

F = np.float32
TableOf = Callable[[SizeArrays, Dim, Dim], Table]
"""The table of an interpolation from an old to a new size."""

CUBIC_STEPS = 1024
"""TensorFlow rounds coordinates to multiples of 1 / 1024 of a pixel to look up the weights of a cubic."""


def resize_images(
    call: LayerCall, x: Symbol, axes: Sequence[int], sizes: Sequence[Dim], method: str, antialias: bool = False
) -> Symbol:
    """``x`` resized to ``sizes`` along ``axes`` as by tf.image.resize. Refuses interpolated integers."""
    _check_sizes(call, sizes)
    if [x.shape[axis] for axis in axes] == list(sizes):
        return x
    if method != "nearest" and not is_floating(x.dtype):
        call.refuse(f"its images are {x.dtype}, which {method} interpolation would round; pass float32 images")
    for axis, size in zip(axes, sizes, strict=True):
        old = x.shape[axis]
        a = SizeArrays(x.builder, old, size)
        check_known(f"{method} interpolation", size, 256)
        if method == "nearest":
            x = ops.take(x, nearest_indices(a, old, size), axis)
        elif antialias and method in ANTIALIASED:
            x = resample(call, x, axis, filtered(a, old, size, *ANTIALIASED[method], smooth=True))
        else:
            x = resample(call, x, axis, METHODS[method](a, old, size))
    return x


def resize_from_corners(
    call: LayerCall, x: Symbol, axis: int, new: Dim, method: str, align_corners: bool = False
) -> Symbol:
    """``x`` resized along ``axis`` as by TensorFlow 1, "bilinear" or "nearest".

    The first pixels of both images are aligned, with ``align_corners`` also the last ones.
    """
    old = x.shape[axis]
    _check_sizes(call, [new])
    check_known(f"{method} interpolation", new, 2)
    a = SizeArrays(x.builder, old, new)
    numerator, denominator = (old - 1, maximum(new - 1, 1)) if align_corners else (old, new)
    if align_corners and new == 1:
        numerator, denominator = old, new
    at = a.cast(a.arange(new), "float32") * (a.number(numerator, "float32") / a.number(denominator, "float32"))
    last = a.number(old - 1, "int64")
    if method == "nearest":
        nearest = a.cast(a.floor(at + F(0.5) if align_corners else at), "int64")
        return ops.take(x, a.minimum(nearest, last), axis)
    low = a.minimum(a.cast(at, "int64"), last)
    share = at - a.cast(low, "float32")
    return resample(call, x, axis, _two_neighbors(a, low, share, low < last))


def _two_neighbors(a: SizeArrays, low: Array, share: Array, both: Array) -> Table:
    """The neighbors ``low`` and the next one weighted by distance; where not ``both``, ``low`` alone."""
    weights = a.stack([a.where(both, F(1) - share, F(1)), a.where(both, share, F(0))], 1)
    return Table(low, 1 + a.cast(both, "int64"), weights)


def _coordinates(a: SizeArrays, old: Dim, new: Dim) -> Array:
    """The coordinate of the center of each output in the input; 0 is the center of its first pixel."""
    scale = a.number(old, "float32") / a.number(new, "float32")
    return (a.cast(a.arange(new), "float32") + F(0.5)) * scale - F(0.5)


def nearest_indices(a: SizeArrays, old: Dim, new: Dim) -> Array:
    """The index of the input that each output repeats."""
    scale = a.number(old, "float32") / a.number(new, "float32")
    nearest = a.floor((a.cast(a.arange(new), "float32") + F(0.5)) * scale)
    return a.minimum(a.cast(nearest, "int64"), a.number(old - 1, "int64"))


def bilinear(a: SizeArrays, old: Dim, new: Dim) -> Table:
    """The two neighbors of a coordinate weighted by distance; beyond the outermost pixels only these."""
    at = _coordinates(a, old, new)
    floor = a.floor(at)
    low, high = a.maximum(floor, F(0)), a.minimum(a.ceil(at), a.number(old - 1, "float32"))
    return _two_neighbors(a, a.cast(low, "int64"), at - floor, high > low)


def bicubic(a: SizeArrays, old: Dim, new: Dim) -> Table:
    """Keys's cubic (a = -1/2) through the four neighbors of a coordinate; those outside the image have no weight."""
    at = _coordinates(a, old, new)
    floor = a.floor(at)
    start, step = a.cast(floor, "int64"), a.cast(a.round((at - floor) * F(CUBIC_STEPS)), "int64")
    first = a.maximum(start - 1, 0 * start)
    count = a.minimum(start + 2, a.number(old - 1, "int64")) - first + 1
    steps = (indices(a, first, 4) - a.expand_dims(start, 1)) * CUBIC_STEPS - a.expand_dims(step, 1)
    distances = a.absolute(a.cast(steps, "float64")) / CUBIC_STEPS
    return Table(first, count, normalized(a, a.cast(_cubic(a, distances), "float32"), count))


def area(a: SizeArrays, old: Dim, new: Dim) -> Table:
    """The mean of the area of the image that an output covers."""
    scale = a.number(old, "float32") / a.number(new, "float32")
    places = a.cast(a.arange(new), "float32")
    start, end = places * scale, (places + F(1)) * scale
    first = a.floor(start)
    count = a.minimum(a.ceil(end), a.number(old, "float32")) - first
    first, count = a.cast(first, "int64"), a.cast(count, "int64")
    start, end = a.expand_dims(start, 1), a.expand_dims(end, 1)
    pixels = a.cast(indices(a, first, ceil_div(old, new) + 2), "float32")
    parts = a.minimum(pixels + F(1), end) - a.maximum(pixels, start)
    whole = (pixels < start) & (pixels + F(1) > end)  # without the rounding error of end - start
    return Table(first, count, a.where(whole, scale, parts) / scale)


def filtered(
    a: SizeArrays, old: Dim, new: Dim, kernel: Callable[[SizeArrays, Array], Array], radius: float, *, smooth: bool
) -> Table:
    """Pixels weighted by ``kernel``, a function of their distance; ``smooth`` widens it where images become smaller."""
    inverse = F(1) / (a.number(new, "float32") / a.number(old, "float32"))
    width = a.maximum(inverse, F(1)) if smooth else F(1)
    at = (a.cast(a.arange(new), "float32") + F(0.5)) * inverse
    last = a.number(old - 1, "float32")
    least, most = (a.minimum(a.maximum(end, F(0)), last) for end in (
        a.ceil(at - F(radius) * width - F(0.5)), a.floor(at + F(radius) * width - F(0.5))))  # fmt: skip
    first = a.cast(least, "int64")
    count = a.where(at > last + F(1), 0 * first, a.cast(most, "int64") - first + 1)
    twice = round(2 * radius)
    taps = (ceil_div(twice * maximum(old, new), new) if smooth else twice) + 2
    pixels = a.cast(indices(a, first, taps), "float32")
    distances = (pixels + F(0.5) - a.expand_dims(at, 1)) * (F(1) / width)
    weights = a.cast(kernel(a, a.cast(a.absolute(distances), "float64")), "float32")
    return Table(first, count, normalized(a, weights, count))


def _triangle(a: SizeArrays, x: Array) -> Array:
    return a.where(x < 1, 1 - x, 0 * x)


def _cubic(a: SizeArrays, x: Array) -> Array:
    near, far = ((1.5 * x - 2.5) * x) * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return a.where(x >= 2, 0 * x, a.where(x >= 1, far, near))


def _lanczos(radius: int) -> Callable[[SizeArrays, Array], Array]:
    def kernel(a: SizeArrays, x: Array) -> Array:
        turn = a.where(x > 1e-3, x, 1e-3 + 0 * x) * np.pi
        wave = radius * a.sin(turn) * a.sin(turn / radius) / (turn * turn)
        return a.where(x > radius, 0 * x, a.where(x <= 1e-3, 1 + 0 * x, wave))

    return kernel


def _gaussian(a: SizeArrays, x: Array) -> Array:
    """A standard deviation of half a pixel, cut off at three deviations."""
    return a.where(x < 1.5, a.exp(-2.0 * (x * x)), 0 * x)


def _mitchell(a: SizeArrays, x: Array) -> Array:
    """The cubic of Mitchell and Netravali with both parameters 1/3."""
    near, far = (7 / 6 * x - 2) * (x * x) + 8 / 9, ((-7 / 18 * x + 2) * x - 10 / 3) * x + 16 / 9
    return a.where(x >= 2, 0 * x, a.where(x >= 1, far, near))


FILTERS: dict[str, tuple[Callable[[SizeArrays, Array], Array], float]] = {
    "lanczos3": (_lanczos(3), 3), "lanczos5": (_lanczos(5), 5), "gaussian": (_gaussian, 1.5),
    "mitchellcubic": (_mitchell, 2),
}  # fmt: skip
"""Name -> weight as a function of the distance, and the distance beyond which it is 0."""


def _filter(name: str) -> TableOf:
    return lambda a, old, new: filtered(a, old, new, *FILTERS[name], smooth=False)


METHODS: dict[str, TableOf] = {
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
        x = _crop(x, axes, _matching(x, axes, size, minimum))
    if padded:
        if fill != "constant":
            call.refuse(f"fill_mode={fill!r} is not supported; expected 'constant'")
        pads: list[Dim] = [0] * (2 * x.rank)
        for axis, matching in zip(axes, _matching(x, axes, size, maximum), strict=True):
            pads[axis] = pads[x.rank + axis] = (matching - x.shape[axis]) // 2
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
    # the part with the layer's aspect ratio is at least as large as its output if and only if the image is
    kept = [minimum(matching, n) for matching, n in zip(_matching(x, axes, size, minimum), size, strict=True)]
    return resize_images(call, _crop(x, axes, kept), axes, size, "bilinear")


def _size(call: LayerCall) -> tuple[int, int]:
    """The height and width of the output."""
    size = int(call.config["height"]), int(call.config["width"])
    _check_sizes(call, size)
    return size


def _check_sizes(call: LayerCall, sizes: Sequence[Dim]) -> None:
    if not all(0 < size <= MAX_TABLE for size in sizes if isinstance(size, int)):
        call.refuse(f"its images have the size {' x '.join(map(str, sizes))}; sizes must be from 1 to {MAX_TABLE:,}")


def _axes(call: LayerCall, x: Symbol) -> tuple[int, int]:
    """The axes of height and width. Refuses inputs that are neither an image nor a batch of images."""
    if x.rank not in (3, 4):
        call.refuse(f"its input has shape {x.shape}; expected (batch, height, width, channels), or one image")
    height, width = (axis + x.rank - 4 for axis in spatial_axes(2, layout(call)))
    return height, width


def _matching(x: Symbol, axes: Sequence[int], size: Sequence[int], choose: Callable[..., Dim]) -> tuple[Dim, Dim]:
    """Height and width with the aspect ratio of ``size``: the largest within the image (minimum) or smallest around it
    (maximum).
    """
    height, width = (x.shape[axis] for axis in axes)
    matching_height, matching_width = width * size[0] // size[1], height * size[1] // size[0]
    return maximum(choose(height, matching_height), 1), maximum(choose(width, matching_width), 1)


def _crop(x: Symbol, axes: Sequence[int], sizes: Sequence[Dim]) -> Symbol:
    """The center of images, of ``sizes`` along ``axes``."""
    borders = []
    for axis, size in zip(axes, sizes, strict=True):
        before = (x.shape[axis] - size) // 2
        borders.append((before, x.shape[axis] - size - before))
    return ops.cut(x, axes, borders)
