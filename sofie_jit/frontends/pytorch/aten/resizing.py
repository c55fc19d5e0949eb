"""Images in another size, and sampled at given points.

The weights of the interpolation are PyTorch's, which computes coordinates in float32 (``area_pixel_compute_scale`` in
ATen's ``UpSample.h``); images are resized along one axis after the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.frontends.resampling import Table, check_known, folded, indices, resample
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, SymbolicDim, ceil_div, maximum, product, static_dims
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.size_arrays import Array, SizeArrays, scaled_size
from sofie_jit.ir.types import check_table

TableOf = Callable[[SizeArrays, Dim, Dim, "float | None", bool, str], Table]
"""The table of an interpolation: from an old to a new size, by a factor if that is given, ``align_corners``, dtype."""


def _scale(a: SizeArrays, old: Dim, new: Dim, factor: float | None, align_corners: bool, dtype: str) -> Array:
    """The distance of neighboring outputs in inputs."""
    if align_corners:  # a single output lies at 0
        return a.cast(a.number(old - 1, "float64") / a.number(maximum(new - 1, 1), "float64"), dtype)
    if factor is not None and factor > 0:
        return np.dtype(dtype).type(1.0 / factor)
    return a.cast(a.number(old, "float64") / a.number(new, "float64"), dtype)


def _coordinates(a: SizeArrays, old: Dim, new: Dim, factor: float | None, align_corners: bool, dtype: str) -> Array:
    """The coordinate of each output in the input; 0 is the center of its first element."""
    scale = _scale(a, old, new, factor, align_corners, dtype)
    at = a.cast(a.arange(new), dtype)
    return at * scale if align_corners else (at + 0.5) * scale - 0.5


def linear(a: SizeArrays, old: Dim, new: Dim, factor: float | None, align_corners: bool, dtype: str) -> Table:
    """The two neighbors of a coordinate weighted by distance."""
    at = _coordinates(a, old, new, factor, align_corners, dtype)
    at, last = a.maximum(at, 0 * at), a.number(old - 1, "int64")
    low = a.minimum(a.cast(at, "int64"), last)
    share = at - a.cast(low, dtype)
    share, both = a.minimum(a.maximum(share, 0 * share), 1 + 0 * share), low < last
    weights = a.stack([a.where(both, 1 - share, 1 + 0 * share), a.where(both, share, 0 * share)], 1)
    return Table(low, 1 + a.cast(both, "int64"), weights)


def cubic(a: SizeArrays, old: Dim, new: Dim, factor: float | None, align_corners: bool, dtype: str) -> Table:
    """Keys's cubic (-0.75) through the four neighbors of a coordinate; the outermost elements are repeated."""
    c = -0.75
    at = _coordinates(a, old, new, factor, align_corners, dtype)
    low = a.floor(at)
    t = a.cast(at, "float64") - a.cast(low, "float64")
    near = [((c + 2) * x - (c + 3)) * x * x + 1 for x in (t, 1 - t)]
    far = [((c * x - 5 * c) * x + 8 * c) * x - 4 * c for x in (t + 1, 2 - t)]
    places = a.expand_dims(a.cast(low, "int64"), 1) + a.arange(4, -1)
    inside = a.minimum(a.maximum(places, 0 * places), a.number(old - 1, "int64"))
    return folded(a, inside, a.stack([far[0], near[0], near[1], far[1]], 1))


def antialiased(kernel: Callable[[SizeArrays, Array], Array], radius: int) -> TableOf:
    """A filter whose width grows with the reduction, as Pillow has it."""

    def table_of(a: SizeArrays, old: Dim, new: Dim, factor: float | None, align_corners: bool, dtype: str) -> Table:
        scale = _scale(a, old, new, factor, align_corners, "float64")
        width = a.maximum(scale, 1.0)
        center = (a.cast(a.arange(new), "float64") + 0.5) * scale
        first = a.cast(a.maximum(center - radius * width + 0.5, 0.0), "int64")
        end = a.minimum(a.cast(center + radius * width + 0.5, "int64"), a.number(old, "int64"))
        places = a.cast(indices(a, first, ceil_div(2 * radius * maximum(old, new), new) + 2), "float64")
        distances = a.absolute(places - a.expand_dims(center, 1) + 0.5) / width
        kept = kernel(a, distances) * a.cast(places < a.expand_dims(a.cast(end, "float64"), 1), "float64")
        return Table(first, end - first, kept / a.cumsum(kept, 1)[:, -1:])

    return table_of


def _triangle(a: SizeArrays, x: Array) -> Array:
    return a.maximum(1 - x, 0 * x)


def _cubic_filter(a: SizeArrays, x: Array) -> Array:
    c = -0.5
    near, far = ((c + 2) * x - (c + 3)) * x * x + 1, (((x - 5) * x + 8) * x - 4) * c
    return a.where(x < 1, near, a.where(x < 2, far, 0 * x))


def nearest(a: SizeArrays, old: Dim, new: Dim, factor: float | None, exact: bool) -> Array:
    """The index of the input that each output repeats."""
    scale = _scale(a, old, new, factor, False, "float32")
    at = a.cast(a.arange(new), "float32") + (0.5 if exact else 0.0)
    return a.minimum(a.cast(a.floor(at * scale), "int64"), a.number(old - 1, "int64"))


def _new_sizes(
    call: AtenCall, x: Symbol, sizes: Sequence[Any] | None, factors: Sequence[Any] | None
) -> list[tuple[int, Dim, float | None]]:
    """For each of the last axes, which are resized: the axis, its new size, and the factor if that is given."""
    count = len(sizes or factors or ())
    found = []
    for number in range(count):
        axis, factor = x.rank - count + number, None if factors is None else float(factors[number])
        if sizes is not None:
            new = sizes[number]
        else:
            new = scaled_size("interpolate", x.shape[axis], float(factors[number]))  # type: ignore[index]
        if not isinstance(new, (int, SymbolicDim)) or Requirement(1, "<=", new).holds is False:
            call.refuse(f"the size {new} is not supported")
        check_known("interpolate", new, 16)
        found.append((axis, new, factor))
    return found


def _resized(
    call: AtenCall,
    x: Symbol,
    sizes: Sequence[Any] | None,
    factors: Sequence[Any] | None,
    table_of: TableOf,
    align_corners: bool,
) -> Symbol:
    """``x`` resized along its last axes, with the weights of a function."""
    if not x.dtype.startswith("float"):
        call.refuse(f"images of {x.dtype} are not supported")
    for axis, new, factor in _new_sizes(call, x, sizes, factors):
        old = x.shape[axis]
        if new != old or factor not in (None, 1.0):
            a = SizeArrays(x.builder, old, new)
            x = resample(call, x, axis, table_of(a, old, new, factor, align_corners, x.dtype))
    return x


def _repeated(
    call: AtenCall, x: Symbol, sizes: Sequence[Any] | None, factors: Sequence[Any] | None, exact: bool
) -> Symbol:
    for axis, new, factor in _new_sizes(call, x, sizes, factors):
        old = x.shape[axis]
        times = new // old if old != 0 and new % old == 0 else 0
        if isinstance(times, int) and times and factor in (None, times):
            x = ops.repeat(x, times, axis)
        else:
            x = ops.take(x, nearest(SizeArrays(x.builder, old, new), old, new, factor, exact), axis)
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


METHODS: dict[tuple[str, ...], TableOf] = {
    ("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"): linear,
    ("upsample_bicubic2d",): cubic,
    ("_upsample_bilinear2d_aa",): antialiased(_triangle, 1),
    ("_upsample_bicubic2d_aa",): antialiased(_cubic_filter, 2),
}
"""Operators, and the function of their table."""


def _upsample(names: tuple[str, ...], table_of: TableOf) -> None:
    @aten(*names)
    def upsample(
        call: AtenCall, x: Symbol | None = None, input: Symbol | None = None, output_size: Any = None,
        align_corners: bool = False, scale_factors: Any = None, scales: Any = None, scales_d: Any = None,
        scales_h: Any = None, scales_w: Any = None,
    ) -> Symbol:  # fmt: skip
        image = x if input is None else input
        assert image is not None
        single = [value for value in (scales, scales_d, scales_h, scales_w) if value is not None]
        return _resized(call, image, output_size, _factors(call, scale_factors, *single), table_of, align_corners)


for _names, _weights in METHODS.items():
    _upsample(_names, _weights)


# -- sampling at points ------------------------------------------------------------------------------------------------


@aten("grid_sampler", "grid_sampler_2d", "grid_sampler_3d")
def grid_sampler(
    call: AtenCall, input: Symbol, grid: Symbol, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Symbol:
    """Images sampled at points, whose coordinates from -1 to 1 are computed by the model."""
    rank = input.rank - 2
    if rank not in (2, 3) or interpolation_mode not in (0, 1):
        call.refuse(f"images of {rank} axes with interpolation_mode={interpolation_mode} are not supported")
    batch, channels, *sizes = input.shape
    flat = ops.transpose(ops.reshape(input, (batch, channels, -1)), (0, 2, 1))  # (batch, pixels, channels)
    a, points = SizeArrays(input.builder, *sizes), grid.shape[1:-1]
    pixels = product(*sizes)
    exact = isinstance(pixels, int) and pixels <= 1 << 24  # float32 holds the number of each pixel
    dtype = grid.dtype if exact else "int64"
    coordinates = []
    for index, size in zip(reversed(range(rank)), sizes, strict=True):
        at = ops.squeeze(ops.slice_along(grid, rank + 1, index, index + 1), rank + 1)
        at = ops.multiply(ops.add(at, 1.0), _float(at, size - 1, 0.5)) if align_corners else ops.divide(
            ops.subtract(ops.multiply(ops.add(at, 1.0), _float(at, size)), 1.0), 2.0)  # fmt: skip
        coordinates.append(_padded(at, size, padding_mode, align_corners))

    def picked(at: list[Symbol]) -> Symbol:
        """The pixels at whole coordinates; 0 outside of the image."""
        inside = reduce(ops.logical_and, map(_inside, at, sizes))
        place, *others = (ops.cast(limited, dtype) for limited in map(_limited, at, sizes))
        for coordinate, size in zip(others, sizes[1:], strict=True):
            place = ops.add(ops.multiply(place, a.number(size, dtype)), coordinate)
        index = ops.cast(ops.reshape(place, (batch, -1, 1)), "int64")
        found = ops.take_along_axis(flat, index, 1)
        shaped = ops.moveaxis(ops.reshape(found, (batch, *points, channels)), -1, 1)
        return ops.where(ops.expand_dims(inside, 1), shaped, 0.0)

    if interpolation_mode == 1:
        return picked([ops.round(at) for at in coordinates])
    first = [ops.floor(at) for at in coordinates]
    total: Symbol | None = None
    for steps in itertools.product((0.0, 1.0), repeat=rank):
        corner = [ops.add(at, step) for at, step in zip(first, steps, strict=True)]
        weight = reduce(ops.multiply, map(_closeness, coordinates, corner))
        part = ops.multiply(picked(corner), ops.expand_dims(weight, 1))
        total = part if total is None else ops.add(total, part)
    assert total is not None
    return total


@aten("affine_grid_generator")
def affine_grid_generator(call: AtenCall, theta: Symbol, size: list[Any], align_corners: bool) -> Symbol:
    """The points for grid_sampler that affine transformations (N, r, r + 1) give."""
    sizes = static_dims("affine_grid_generator", tuple(size[2:]))
    rank = len(sizes)
    check_table("affine_grid_generator", *sizes, rank + 1)
    lines = [np.linspace(-1, 1, n) if n > 1 else np.zeros(n) for n in sizes]
    if not align_corners:
        lines = [line * (n - 1) / max(n, 1) for line, n in zip(lines, sizes, strict=True)]
    mesh = np.meshgrid(*lines, indexing="ij")
    points = np.stack([*mesh[::-1], np.ones(sizes)], -1).reshape(-1, rank + 1)
    moved = ops.matmul(call.constant(points.astype(theta.dtype), "points"), ops.swapaxes(theta, 1, 2))
    return ops.reshape(moved, (theta.shape[0], *sizes, rank))


def _closeness(a: Symbol, b: Symbol) -> Symbol:
    return ops.subtract(1.0, ops.absolute(ops.subtract(a, b)))


def _float(at: Symbol, size: Dim, factor: float = 1.0) -> Any:
    """A size times ``factor`` as a number of the type of ``at``."""
    if isinstance(size, int):
        return size * factor
    number = SizeArrays(at.builder, size).number(size, at.dtype)
    return ops.multiply(number, factor) if factor != 1 else number


def _inside(at: Symbol, size: Dim) -> Symbol:
    return ops.logical_and(ops.greater_equal(at, 0.0), ops.less_equal(at, _float(at, size - 1)))


def _limited(at: Symbol, size: Dim) -> Symbol:
    at = ops.where(ops.isnan(at), 0.0, at)
    return _between(at, size)


def _between(at: Symbol, size: Dim) -> Symbol:
    """Coordinates limited to an axis of ``size``."""
    if isinstance(size, int):
        return ops.clip(at, 0.0, float(size - 1))
    return ops.minimum(ops.maximum(at, 0.0), _float(at, size - 1))


def _padded(at: Symbol, size: Dim, padding_mode: int, align_corners: bool) -> Symbol:
    """Coordinates outside of the image: as they are (0), at its border (1), or mirrored (2)."""
    if padding_mode == 0:
        return at
    if padding_mode == 2:
        if align_corners and size == 1:
            return ops.zeros_like(at)
        low, span = (0.0, _float(at, maximum(size - 1, 1))) if align_corners else (-0.5, _float(at, size))
        moved = ops.absolute(ops.subtract(at, low))
        turns = ops.floor(ops.divide(moved, span))
        rest = ops.subtract(moved, ops.multiply(turns, span))
        odd = ops.greater(ops.mod(turns, 2.0), 0.5)
        at = ops.where(odd, ops.add(ops.subtract(span, rest), low), ops.add(rest, low))
    return _between(at, size)
