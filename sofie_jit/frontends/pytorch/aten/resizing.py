"""Images in another size, and sampled at given points.

The weights of the interpolation are PyTorch's, which computes coordinates in float32 (``area_pixel_compute_scale`` in
ATen's ``UpSample.h``); images are resized along one axis after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.pooling import resampled
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.types import check_table

Weights = list[tuple[int, np.ndarray]]
"""For each output the index of the first input that it depends on, and the weights of this and the following inputs."""


def _scale(old: int, new: int, factor: float | None, align_corners: bool) -> float:
    """The distance of neighboring outputs in inputs."""
    if align_corners:
        return (old - 1) / (new - 1) if new > 1 else 0.0
    return 1.0 / factor if factor is not None and factor > 0 else old / new


def _coordinates(old: int, new: int, factor: float | None, align_corners: bool, dtype: str) -> np.ndarray:
    """The coordinate of each output in the input; 0 is the center of its first element."""
    kind = np.dtype(dtype).type
    scale = kind(_scale(old, new, factor, align_corners))
    at = np.arange(new).astype(dtype)
    found: np.ndarray = at * scale if align_corners else scale * (at + kind(0.5)) - kind(0.5)
    return found


def linear(old: int, new: int, factor: float | None, align_corners: bool, dtype: str) -> Weights:
    """The two neighbors of a coordinate weighted by distance."""
    weights: Weights = []
    for at in _coordinates(old, new, factor, align_corners, dtype):
        at = max(at, at.dtype.type(0))
        low = min(int(at), old - 1)
        share = min(max(at - at.dtype.type(low), at.dtype.type(0)), at.dtype.type(1))
        weights.append((low, np.array([1 - share, share]) if low < old - 1 else np.ones(1)))
    return weights


def cubic(old: int, new: int, factor: float | None, align_corners: bool, dtype: str) -> Weights:
    """Keys's cubic (a = -0.75) through the four neighbors of a coordinate; the outermost elements are repeated."""
    a = -0.75
    weights: Weights = []
    for at in _coordinates(old, new, factor, align_corners, dtype):
        first = math.floor(at)
        t = float(at) - first
        near = [((a + 2) * x - (a + 3)) * x * x + 1 for x in (t, 1 - t)]
        far = [((a * x - 5 * a) * x + 8 * a) * x - 4 * a for x in (t + 1, 2 - t)]
        row = np.zeros(old)
        for place, weight in zip(range(first - 1, first + 3), (far[0], near[0], near[1], far[1]), strict=True):
            row[min(max(place, 0), old - 1)] += weight
        start = min(max(first - 1, 0), old - 1)
        weights.append((start, row[start : min(max(first + 2, 0), old - 1) + 1]))
    return weights


def antialiased(kernel: Callable[[float], float], radius: float) -> Callable[..., Weights]:
    """A filter whose width grows with the reduction, as Pillow has it."""

    def weights_of(old: int, new: int, factor: float | None, align_corners: bool, dtype: str) -> Weights:
        scale = _scale(old, new, factor, align_corners)
        support = radius * scale if scale >= 1 else radius
        weights: Weights = []
        for index in range(new):
            center = scale * (index + 0.5)
            first = max(int(center - support + 0.5), 0)
            last = min(int(center + support + 0.5), old)
            row = np.array([kernel((place - center + 0.5) / max(scale, 1.0)) for place in range(first, last)])
            weights.append((first, row / row.sum()))
        return weights

    return weights_of


def _triangle(x: float) -> float:
    return max(1 - abs(x), 0.0)


def _cubic_filter(x: float) -> float:
    x, a = abs(x), -0.5
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def nearest(old: int, new: int, factor: float | None, exact: bool) -> np.ndarray:
    """The index of the input that each output repeats."""
    scale = np.float32(_scale(old, new, factor, align_corners=False))
    at = np.arange(new, dtype=np.float32) + np.float32(0.5 if exact else 0)
    found: np.ndarray = np.minimum(np.floor(at * scale).astype(np.int64), old - 1)
    return found


def _resized(
    call: AtenCall,
    x: Symbol,
    sizes: Sequence[Any] | None,
    factors: Sequence[Any] | None,
    weights_of: Any,
    align_corners: bool,
) -> Symbol:
    """``x`` resized along its last axes, with the weights of a function."""
    count = len(sizes or factors or ())
    if not x.dtype.startswith("float"):
        call.refuse(f"images of {x.dtype} are not supported")
    for number in range(count):
        axis = x.rank - count + number
        old = static_dim("interpolate", x.shape, axis)
        factor = None if factors is None else float(factors[number])
        new = sizes[number] if sizes is not None else math.floor(old * factors[number])  # type: ignore[index]
        if not isinstance(new, int) or new < 1:
            call.refuse(f"the size {new} is not supported")
        check_table("interpolate", new, 16)
        if new != old or factor not in (None, 1.0):
            x = resampled(call, x, axis, weights_of(old, new, factor, align_corners, x.dtype))
    return x


def _repeated(
    call: AtenCall, x: Symbol, sizes: Sequence[Any] | None, factors: Sequence[Any] | None, exact: bool
) -> Symbol:
    count = len(sizes or factors or ())
    for number in range(count):
        axis = x.rank - count + number
        old = static_dim("interpolate", x.shape, axis)
        factor = None if factors is None else factors[number]
        new = sizes[number] if sizes is not None else math.floor(old * factors[number])  # type: ignore[index]
        if not isinstance(new, int) or new < 1:
            call.refuse(f"the size {new} is not supported")
        check_table("interpolate", new)
        whole = old > 0 and new % old == 0 and factor in (None, new // old)
        x = ops.repeat(x, new // old, axis) if whole else ops.take(x, nearest(old, new, factor, exact), axis)
    return x


def _factors(call: AtenCall, scale_factors: Any, *single: Any) -> list[float] | None:
    if scale_factors is not None:
        return list(scale_factors)
    return [float(value) for value in single] if single and all(value is not None for value in single) else None


@aten("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d")
def upsample_nearest(
    call: AtenCall, x: Symbol | None = None, input: Symbol | None = None, output_size: Any = None,
    scale_factors: Any = None, scales: Any = None, scales_d: Any = None, scales_h: Any = None, scales_w: Any = None,
) -> Symbol:  # fmt: skip
    """Each output repeats the input that its lower edge lies in."""
    image = x if input is None else input
    assert image is not None
    single = [value for value in (scales, scales_d, scales_h, scales_w) if value is not None]
    return _repeated(call, image, output_size, _factors(call, scale_factors, *single), exact=False)


@aten("_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d")
def upsample_nearest_exact(
    call: AtenCall, x: Symbol | None = None, input: Symbol | None = None, output_size: Any = None,
    scale_factors: Any = None, scales: Any = None, scales_d: Any = None, scales_h: Any = None, scales_w: Any = None,
) -> Symbol:  # fmt: skip
    """Each output repeats the input that its center lies in."""
    image = x if input is None else input
    assert image is not None
    single = [value for value in (scales, scales_d, scales_h, scales_w) if value is not None]
    return _repeated(call, image, output_size, _factors(call, scale_factors, *single), exact=True)


METHODS: dict[tuple[str, ...], Callable[..., Weights]] = {
    ("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"): linear,
    ("upsample_bicubic2d",): cubic,
    ("_upsample_bilinear2d_aa",): antialiased(_triangle, 1.0),
    ("_upsample_bicubic2d_aa",): antialiased(_cubic_filter, 2.0),
}
"""Operators, and the function of their weights."""


def _upsample(names: tuple[str, ...], weights_of: Callable[..., Weights]) -> None:
    @aten(*names)
    def upsample(
        call: AtenCall, x: Symbol | None = None, input: Symbol | None = None, output_size: Any = None,
        align_corners: bool = False, scale_factors: Any = None, scales: Any = None, scales_d: Any = None,
        scales_h: Any = None, scales_w: Any = None,
    ) -> Symbol:  # fmt: skip
        image = x if input is None else input
        assert image is not None
        single = [value for value in (scales, scales_d, scales_h, scales_w) if value is not None]
        return _resized(call, image, output_size, _factors(call, scale_factors, *single), weights_of, align_corners)


for _names, _weights in METHODS.items():
    _upsample(_names, _weights)


# -- sampling at points ------------------------------------------------------------------------------------------------


@aten("grid_sampler", "grid_sampler_2d")
def grid_sampler(
    call: AtenCall, input: Symbol, grid: Symbol, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Symbol:
    """Images sampled at points, whose coordinates from -1 to 1 are computed by the model."""
    if input.rank != 4 or interpolation_mode not in (0, 1):
        call.refuse(f"images of {input.rank - 2} axes with interpolation_mode={interpolation_mode} are not supported")
    batch, channels, height, width = input.shape
    flat = ops.transpose(ops.reshape(input, (batch, channels, -1)), (0, 2, 1))  # (batch, pixels, channels)
    rows, columns = grid.shape[1:3]
    coordinates = []
    for index, size in ((1, height), (0, width)):
        size = static_dim("grid_sampler", (size,), 0)
        at = ops.squeeze(ops.slice_along(grid, 3, index, index + 1), 3)
        at = ops.multiply(ops.add(at, 1.0), (size - 1) / 2) if align_corners else ops.divide(
            ops.subtract(ops.multiply(ops.add(at, 1.0), float(size)), 1.0), 2.0)  # fmt: skip
        coordinates.append(_padded(at, size, padding_mode, align_corners))

    def picked(y: Symbol, x: Symbol) -> Symbol:
        """The pixels at whole coordinates; 0 outside of the image."""
        inside = ops.logical_and(_inside(y, height), _inside(x, width))
        place = ops.add(ops.multiply(_limited(y, height), float(width)), _limited(x, width))  # type: ignore[arg-type]
        index = ops.cast(ops.reshape(place, (batch, -1, 1)), "int64")
        pixels = ops.take_along_axis(flat, index, 1)
        shaped = ops.transpose(ops.reshape(pixels, (batch, rows, columns, channels)), (0, 3, 1, 2))
        return ops.where(ops.expand_dims(inside, 1), shaped, 0.0)

    y, x = coordinates
    if interpolation_mode == 1:
        return picked(ops.round(y), ops.round(x))
    top, left = ops.floor(y), ops.floor(x)
    total: Symbol | None = None
    for down in (0.0, 1.0):
        for right in (0.0, 1.0):
            py, px = ops.add(top, down), ops.add(left, right)
            weight = ops.multiply(_closeness(y, py), _closeness(x, px))
            part = ops.multiply(picked(py, px), ops.expand_dims(weight, 1))
            total = part if total is None else ops.add(total, part)
    assert total is not None
    return total


def _closeness(a: Symbol, b: Symbol) -> Symbol:
    return ops.subtract(1.0, ops.absolute(ops.subtract(a, b)))


def _inside(at: Symbol, size: Any) -> Symbol:
    return ops.logical_and(ops.greater_equal(at, 0.0), ops.less_equal(at, float(size - 1)))


def _limited(at: Symbol, size: Any) -> Symbol:
    at = ops.where(ops.isnan(at), 0.0, at)
    return ops.clip(at, 0.0, float(size - 1))


def _padded(at: Symbol, size: int, padding_mode: int, align_corners: bool) -> Symbol:
    """Coordinates outside of the image: as they are (0), at its border (1), or mirrored (2)."""
    if padding_mode == 0:
        return at
    if padding_mode == 2:
        low, span = (0.0, float(size - 1)) if align_corners else (-0.5, float(size))
        if span == 0:
            return ops.zeros_like(at)
        moved = ops.absolute(ops.subtract(at, low))
        turns = ops.floor(ops.divide(moved, span))
        rest = ops.subtract(moved, ops.multiply(turns, span))
        odd = ops.greater(ops.mod(turns, 2.0), 0.5)
        at = ops.where(odd, ops.add(ops.subtract(span, rest), low), ops.add(rest, low))
    return ops.clip(at, 0.0, float(size - 1))
