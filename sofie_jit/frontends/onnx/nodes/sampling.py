"""Images sampled at computed coordinates: GridSample, AffineGrid, DeformConv, RoiAlign."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.frontends.onnx.values import dims_of
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, maximum, product, static_dim, static_dims
from sofie_jit.ir.operators.roi_align import RoiAlign
from sofie_jit.ir.operators.scatter import GatherND
from sofie_jit.ir.size_arrays import SizeArrays

MODES = {"bilinear": "linear", "bicubic": "cubic", "linear": "linear", "cubic": "cubic", "nearest": "nearest"}
"""Values of ``mode`` in all opsets -> the newest name."""
CUBIC = -0.75
"""The parameter of Keys's cubic."""


@node("GridSample", since=16)
def grid_sample(call: OnnxCall, x: Symbol, grid: Symbol) -> Symbol:
    """Images (N, C, spatial axes) at coordinates (N, output axes, r), from -1 to 1, of the axes in reverse order."""
    mode, padding = call.text("mode", "linear"), call.text("padding_mode", "zeros")
    if mode not in MODES or padding not in ("zeros", "border", "reflection"):
        call.refuse(f"mode is {mode!r} and padding_mode is {padding!r}, which ONNX does not define")
    sizes = x.shape[2:]
    corners = call.flag("align_corners")
    places = []
    for axis, size in enumerate(sizes):
        last = len(sizes) - 1 - axis
        at = ops.squeeze(ops.slice_along(grid, -1, last, last + 1), [-1])
        at = ops.add(at, 1.0)
        at = ops.multiply(at, _half(at, size - 1)) if corners else ops.subtract(ops.multiply(at, _half(at, size)), 0.5)
        places.append(ops.round(at) if MODES[mode] == "nearest" else at)
    return sampled(x, places, MODES[mode], padding, corners)


def sampled(x: Symbol, places: Sequence[Symbol], mode: str, padding: str, corners: bool) -> Symbol:
    """Images (N, C, spatial axes) at coordinates (N, ...) of pixels, one tensor for each axis: (N, C, ...)."""
    sizes = x.shape[2:]
    whole = [SizeArrays(x.builder, size).number(size, "int64") for size in sizes]
    channels_last = ops.transpose(x, [0, *range(2, x.rank), 1])
    pixels = ops.reshape(channels_last, (x.shape[0], product(*sizes), x.shape[1]))
    taps = [
        _taps(_inside(at, size, mode, padding, corners), size, mode, padding, corners)
        for at, size in zip(places, sizes, strict=True)
    ]
    total = None
    for chosen in itertools.product(*taps):
        index = reduce(lambda flat, part: ops.add(ops.multiply(flat, part[1]), part[0]),
                       zip((i for i, _ in chosen[1:]), whole[1:], strict=True), chosen[0][0])  # fmt: skip
        rows = ops.reshape(index, (*index.shape, 1))
        found = ops.builder_of(x).add(GatherND(batch_dims=1), pixels, rows)
        weights = [w for _, w in chosen if w is not None]
        if weights:
            found = ops.multiply(found, ops.expand_dims(reduce(ops.multiply, weights), -1))
        total = found if total is None else ops.add(total, found)
    assert total is not None
    return ops.moveaxis(total, -1, 1)


def _number(at: Symbol, size: Dim) -> Any:
    """A size as a number of the type of ``at``."""
    return float(size) if isinstance(size, int) else SizeArrays(at.builder, size).number(size, at.dtype)


def _half(at: Symbol, size: Dim) -> Any:
    return _number(at, size) / 2


def _inside(at: Symbol, size: Dim, mode: str, padding: str, corners: bool) -> Symbol:
    """Coordinates moved into the image: to its border, or mirrored at it.

    With cubic interpolation only the pixels are moved to the border, as in PyTorch and ONNX Runtime.
    """
    if padding == "border" and mode != "cubic":
        return ops.clip(at, 0.0, _number(at, size - 1))
    if padding == "reflection":
        return _mirrored(at, 0.0, size - 1) if corners else _mirrored(at, -0.5, size)
    return at


def _mirrored(at: Symbol, low: float, extent: Dim) -> Symbol:
    """Coordinates mirrored at the ends of an interval of a length that is ``extent``."""
    if extent == 0:
        return ops.full_like(at, low)
    period = _number(at, maximum(2 * extent, 1))
    beyond = ops.mod(ops.subtract(at, low), period)
    inside = ops.add(ops.minimum(beyond, ops.subtract(period, beyond)), low)
    return inside if isinstance(extent, int) else ops.clip(inside, low, _number(at, extent) + low)  # it may be 0


def _taps(at: Symbol, size: Dim, mode: str, padding: str, corners: bool) -> list[tuple[Symbol, Symbol | None]]:
    """Indices of pixels along an axis, as int64, and their weights."""
    if mode == "nearest":
        return [_tap(at, None, size, padding, corners)]
    low = ops.floor(at)
    fraction = ops.subtract(at, low)
    if mode == "linear":
        return [
            _tap(low, ops.subtract(1.0, fraction), size, padding, corners),
            _tap(ops.add(low, 1.0), fraction, size, padding, corners),
        ]
    distances = [ops.add(fraction, 1.0), fraction, ops.subtract(1.0, fraction), ops.subtract(2.0, fraction)]
    weights = [_far(distances[0]), _near(distances[1]), _near(distances[2]), _far(distances[3])]
    return [_tap(ops.add(low, float(i - 1)), w, size, padding, corners) for i, w in enumerate(weights)]


def _near(d: Symbol) -> Symbol:
    a = CUBIC
    return ops.add(ops.multiply(ops.multiply(ops.subtract(ops.multiply(d, a + 2), a + 3), d), d), 1.0)


def _far(d: Symbol) -> Symbol:
    a = CUBIC
    return ops.subtract(
        ops.multiply(ops.add(ops.multiply(ops.subtract(ops.multiply(d, a), 5 * a), d), 8 * a), d), 4 * a
    )


def _tap(at: Symbol, weight: Symbol | None, size: Dim, padding: str, corners: bool) -> tuple[Symbol, Symbol | None]:
    """A pixel at whole coordinates; outside the image another one takes its place, or its weight becomes 0."""
    if padding == "reflection":
        at = _mirrored(at, 0.0, size - 1) if corners else ops.round(_mirrored(at, -0.5, size))
    elif padding == "zeros":
        inside = ops.logical_and(ops.greater_equal(at, 0.0), ops.less(at, _number(at, size)))
        weight = ops.cast(inside, at.dtype) if weight is None else ops.where(inside, weight, np.array(0, at.dtype))
    index = ops.cast(ops.clip(at, 0.0, _number(at, size - 1)), "int64")
    return ops.maximum(index, np.int64(0)), weight  # a coordinate that is NaN becomes a negative index


@node("AffineGrid", since=20)
def affine_grid(call: OnnxCall, theta: Symbol, size: np.ndarray) -> Symbol:
    """The coordinates for GridSample that affine transformations (N, r, r + 1) give."""
    sizes = dims_of(size)[2:]
    corners, rank = call.flag("align_corners"), len(sizes)
    if theta.rank != 3 or theta.shape[1:] != (rank, rank + 1):
        call.refuse(f"theta has shape {theta.shape}; expected (N, {rank}, {rank + 1}) for a size of {size.tolist()}")
    a = SizeArrays(theta.builder, *sizes)
    mesh = []
    for axis, n in enumerate(sizes):
        twice = a.cast(a.arange(n), "float64") * 2.0
        line = twice / a.number(maximum(n - 1, 1), "float64") if corners else (twice + 1.0) / a.number(n, "float64")
        along = a.reshape(line - 1.0, tuple(n if other == axis else 1 for other in range(rank)))
        mesh.append(a.broadcast_to(along, tuple(sizes)))
    points = a.cast(a.stack([*mesh[::-1], a.ones_like(mesh[0])], -1), theta.dtype)
    moved = ops.matmul(a.reshape(points, (product(*sizes), rank + 1)), ops.swapaxes(theta, 1, 2))
    return ops.reshape(moved, (theta.shape[0], *sizes, rank))


@node("DeformConv", since=19)
def deform_conv(
    call: OnnxCall, x: Symbol, w: Symbol, offset: Symbol, b: Symbol | None = None, mask: Symbol | None = None
) -> Symbol:
    """A convolution of images whose taps are moved by offsets and weighted by a mask."""
    if x.rank != 4:
        call.refuse(f"its input has {x.rank} axes; only images of two dimensions are supported")
    batch, channels, height, width = x.shape[0], static_dim("DeformConv", x.shape, 1), *x.shape[2:]
    outputs, _, *kernel = static_dims("DeformConv", w.shape)
    call.ignore("kernel_shape")
    groups, shared = call.integer("group", 1), call.integer("offset_group", 1)
    strides, dilations = (call.integers(name) or [1, 1] for name in ("strides", "dilations"))
    pads, taps = call.integers("pads") or [0] * 4, kernel[0] * kernel[1]
    out = offset.shape[2:]
    if channels % shared or offset.shape[1] != 2 * shared * taps:
        call.refuse(f"offset has shape {offset.shape}, which does not fit offset_group={shared} and a kernel {kernel}")
    moves = ops.reshape(offset, (batch, shared, taps, 2, *out))
    places = []
    for axis, steps in enumerate(np.indices(kernel).reshape(2, taps, 1)):
        a = SizeArrays(x.builder, out[axis])
        first = a.arange(out[axis]) * np.int64(strides[axis]) - np.int64(pads[axis])
        whole = a.expand_dims(a.expand_dims(first, 0) + steps * np.int64(dilations[axis]), 2 - axis)
        move = ops.squeeze(ops.slice_along(moves, 3, axis, axis + 1), [3])
        places.append(ops.add(move, a.cast(whole, x.dtype)))
    images = ops.reshape(x, (product(batch, shared), channels // shared, height, width))
    places = [ops.reshape(at, (product(batch, shared), taps, *out)) for at in places]
    found = sampled(images, places, "linear", "zeros", corners=True)
    found = ops.reshape(found, (batch, shared, channels // shared, taps, *out))
    if mask is not None:
        found = ops.multiply(found, ops.reshape(mask, (batch, shared, 1, taps, *out)))
    columns = ops.reshape(found, (batch, groups, channels // groups * taps, product(*out)))
    rows_of_kernel = ops.reshape(w, (groups, outputs // groups, channels // groups * taps))
    y = ops.reshape(ops.matmul(rows_of_kernel, columns), (batch, outputs, *out))
    return y if b is None else ops.add(y, ops.reshape(b, (1, -1, 1, 1)))


REGIONS = ("mode", "output_height", "output_width", "sampling_ratio", "spatial_scale")


@node("RoiAlign", since=10)
def roi_align_of_output(call: OnnxCall, x: Symbol, rois: Symbol, batch_indices: Symbol) -> Symbol:
    """The form before opset 16, whose coordinates are not shifted."""
    operator = call.operator(RoiAlign, *REGIONS, coordinate_transformation_mode="output_half_pixel")
    return call.add(operator, x, rois, batch_indices)


@node("RoiAlign", since=16)
def roi_align(call: OnnxCall, x: Symbol, rois: Symbol, batch_indices: Symbol) -> Symbol:
    """Regions of images, resampled to one size."""
    operator = call.operator(RoiAlign, *REGIONS, "coordinate_transformation_mode")
    return call.add(operator, x, rois, batch_indices)
