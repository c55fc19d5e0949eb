"""Resize and Upsample: tensors in another size, one axis after the other.

Coordinates are computed in float32, as ONNX Runtime does: in large images they are exact to only some 1e-5 of an
element there, which is visible in the result.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.frontends.onnx.values import dims_of
from sofie_jit.frontends.resampling import Table, check_known, folded, resample
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import FIX_SIZES, Dim, ceil_div, maximum, normalize_axis
from sofie_jit.ir.operators import resize as operators
from sofie_jit.ir.size_arrays import Array, SizeArrays, scaled_size
from sofie_jit.ir.types import is_floating

F = np.float32


class Axis(NamedTuple):
    """An axis that is resized."""

    old: Dim
    new: Dim
    scale: float | None
    """The factor, if the node gives it; ``new`` is ``old`` times it, rounded down. None if ``new`` is given."""
    region: tuple[float, float] = (0.0, 1.0)
    """Start and end of the region of interest, as parts of the axis."""


@node("Upsample", since=7)
def upsample_by_attribute(call: OnnxCall, x: Symbol) -> Symbol:
    """The form of opset 7: ``scales`` are an attribute."""
    return _upsample(call, x, call.numbers("scales") or [])


@node("Upsample", since=9)
def upsample(call: OnnxCall, x: Symbol, scales: np.ndarray) -> Symbol:
    """The forerunner of Resize, which becomes it with asymmetric coordinates, rounded down."""
    return _upsample(call, x, scales.ravel().tolist())


def _upsample(call: OnnxCall, x: Symbol, scales: Sequence[float]) -> Symbol:
    return _resized(call, x, _by_scales(call, x, scales, range(x.rank)), call.text("mode", "nearest"), "asymmetric",
                    "floor")  # fmt: skip


@node("Resize", since=10)
def resize_with_two_inputs(call: OnnxCall, x: Symbol, scales: np.ndarray) -> Symbol:
    """The form of opset 10: asymmetric coordinates, rounded down."""
    return _upsample(call, x, scales.ravel().tolist())


@node("Resize", since=11)
def resize(
    call: OnnxCall, x: Symbol, roi: np.ndarray | None = None, scales: np.ndarray | None = None,
    sizes: np.ndarray | None = None,
) -> Symbol:  # fmt: skip
    """The tensor in another size, by the nearest element, linear or cubic interpolation."""
    axes = [normalize_axis("Resize", axis, x.rank) for axis in call.integers("axes") or range(x.rank)]
    policy = call.text("keep_aspect_ratio_policy", "stretch")
    transformation = call.text("coordinate_transformation_mode", "half_pixel")
    if scales is not None and scales.size:
        resized = _by_scales(call, x, scales.ravel().tolist(), axes)
    elif sizes is not None and sizes.size:
        resized = _by_sizes(call, x, dims_of(sizes), axes, policy)
    else:
        call.refuse("it has neither scales nor sizes")
    if transformation == "tf_crop_and_resize":
        regions = [] if roi is None else roi.ravel().tolist()
        if len(regions) != 2 * len(axes):
            call.refuse(f"roi has {len(regions)} numbers for {len(axes)} axes; expected {2 * len(axes)}")
        starts, ends = regions[: len(axes)], regions[len(axes) :]
        resized = {
            axis: part._replace(region=region)
            for (axis, part), region in zip(resized.items(), zip(starts, ends, strict=True), strict=True)
        }
    return _resized(call, x, resized, call.text("mode", "nearest"), transformation, call.text(
        "nearest_mode", "round_prefer_floor"))  # fmt: skip


def _by_scales(call: OnnxCall, x: Symbol, scales: Sequence[float], axes: Sequence[int]) -> dict[int, Axis]:
    """The axes with their factors."""
    if len(scales) != len(axes) or not all(0 < scale < math.inf for scale in scales):
        call.refuse(f"scales are {list(scales)} for {len(axes)} axes; expected one positive number for each")
    return {
        axis: Axis(x.shape[axis], scaled_size("Resize", x.shape[axis], scale, "float32"), scale)
        for axis, scale in zip(axes, scales, strict=True)
    }


def _by_sizes(call: OnnxCall, x: Symbol, sizes: Sequence[Dim], axes: Sequence[int], policy: str) -> dict[int, Axis]:
    """The axes with their new sizes."""
    if len(sizes) != len(axes):
        call.refuse(f"sizes are {list(sizes)} for {len(axes)} axes; expected one for each")
    found = {axis: Axis(x.shape[axis], new, None) for axis, new in zip(axes, sizes, strict=True)}
    if policy == "stretch":
        return found
    if policy not in ("not_larger", "not_smaller"):
        call.refuse(f"keep_aspect_ratio_policy is {policy!r}; expected stretch, not_larger or not_smaller")
    pairs = {axis: (part.old, part.new) for axis, part in found.items()
             if part.old != part.new or isinstance(part.new, int)}  # fmt: skip
    known = {axis: (old, new) for axis, (old, new) in pairs.items() if isinstance(old, int) and isinstance(new, int)}
    if known != pairs:
        call.refuse(f"keep_aspect_ratio_policy={policy!r} needs sizes that are known", FIX_SIZES)
    scale = (min if policy == "not_larger" else max)((new / old for old, new in known.values()), default=1.0)
    return {axis: Axis(old, int(scale * old + 0.5), scale) for axis, (old, _) in known.items()}


def _resized(
    call: OnnxCall, x: Symbol, axes: dict[int, Axis], mode: str, transformation: str, nearest_mode: str
) -> Symbol:
    if mode not in (*FILTERS, "nearest"):
        call.refuse(f"mode is {mode!r}; expected nearest, linear or cubic")
    if transformation not in TRANSFORMATIONS:
        call.refuse(f"coordinate_transformation_mode is {transformation!r}; expected {', '.join(TRANSFORMATIONS)}")
    if nearest_mode not in ROUNDING:
        call.refuse(f"nearest_mode is {nearest_mode!r}; expected {', '.join(ROUNDING)}")
    beyond = call.number("extrapolation_value", 0.0)
    options = call.number("cubic_coeff_a", -0.75), call.flag("exclude_outside"), call.flag("antialias")
    changed = {axis: part for axis, part in axes.items() if part.old != part.new or part.region != (0, 1)}
    if any(part.old == 0 for part in changed.values()):
        call.refuse("an axis without elements cannot be resized")
    if enlarged := _enlarged(x, changed, mode, transformation, nearest_mode):
        return call.add(enlarged, x)
    masks = []
    for axis, part in sorted(changed.items(), key=lambda item: item[1].scale or 1.0):  # reductions first
        check_known("Resize", part.new, 2)
        a = SizeArrays(x.builder, part.old, part.new)
        at, last = coordinates(a, part, transformation), a.number(part.old - 1, "float32")
        if mode == "nearest":
            x = ops.take(x, a.cast(_limited(a, ROUNDING[nearest_mode](a, at), last), "int64"), axis)
        else:
            x = _interpolated(call, x, axis, taps(a, part, at, mode, *options))
        if transformation == "tf_crop_and_resize":
            outside = (at < F(0)) | (at > last)
            masks.append(a.reshape(outside, [part.new if other == axis else 1 for other in range(x.rank)]))
    if not masks or all(isinstance(mask, np.ndarray) and not mask.any() for mask in masks):
        return x
    symbols = [m if isinstance(m, Symbol) else call.symbol(m, f"{call.name}/outside") for m in masks]
    outside = functools.reduce(ops.logical_or, symbols)
    return ops.where(outside, np.array(beyond, x.dtype), x)


def _enlarged(
    x: Symbol, axes: dict[int, Axis], mode: str, transformation: str, nearest_mode: str
) -> operators.Resize | operators.Upsample | None:
    """An operator for images or tensors enlarged by whole factors, if that is what the node does."""
    factors = {axis: _whole_factor(part) for axis, part in axes.items()}
    if not factors or not all(factors.values()):
        return None
    half = transformation in HALF_PIXEL
    repeats = mode == "nearest" and (
        (half and nearest_mode.startswith("round")) or (transformation == "asymmetric" and nearest_mode == "floor")
    )
    images = x.rank == 4 and set(factors) <= {2, 3} and is_floating(x.dtype)
    if images and mode == "linear" and half:
        return operators.Resize(scales=[factors.get(2, 1), factors.get(3, 1)], mode="linear")
    return operators.Upsample(scales=[factors.get(axis, 1) for axis in range(x.rank)]) if repeats else None


def _whole_factor(part: Axis) -> int:
    """The factor by which an axis becomes larger, if it is an integer; else 0."""
    if part.scale is None:
        factor = part.new // part.old if part.new % part.old == 0 else 0
        return factor if isinstance(factor, int) else 0
    return int(part.scale) if part.scale == int(part.scale) else 0


# -- coordinates -------------------------------------------------------------------------------------------------------


def _scale(a: SizeArrays, axis: Axis) -> Array:
    """The factor in float32."""
    if axis.scale is not None:
        return F(axis.scale)
    return a.number(axis.new, "float32") / a.number(axis.old, "float32")


def _exact(a: SizeArrays, axis: Axis) -> Array:
    """The new size before rounding, in float64."""
    if axis.scale is None:
        return a.number(axis.new, "float64")
    return a.number(axis.old, "float64") * axis.scale


def _half_pixel(a: SizeArrays, axis: Axis, at: Array) -> Array:
    return (at + F(0.5)) / _scale(a, axis) - F(0.5)


def _half_pixel_symmetric(a: SizeArrays, axis: Axis, at: Array) -> Array:
    old, new = a.number(axis.old, "float64"), a.number(axis.new, "float64")
    shift = a.cast(old / 2 * (1 - new / _exact(a, axis)), "float32")
    return shift + _half_pixel(a, axis, at)


def _pytorch_half_pixel(a: SizeArrays, axis: Axis, at: Array) -> Array:
    return a.where(a.number(axis.new, "int64") > 1, _half_pixel(a, axis, at), 0 * at)


def _align_corners(a: SizeArrays, axis: Axis, at: Array) -> Array:
    last, exact = a.number(axis.old - 1, "float32"), _exact(a, axis)
    steps = a.where(a.equal(exact, 1.0), 1.0, exact - 1.0)  # a single output lies at 0
    return at * last / a.cast(steps, "float32") * a.cast(a.not_equal(exact, 1.0), "float32")


def _crop(a: SizeArrays, axis: Axis, at: Array) -> Array:
    (start, end), last = axis.region, a.number(axis.old - 1, "float64")
    middle = a.cast((start + end) * last / 2, "float32")
    steps = a.number(maximum(axis.new - 1, 1), "float32")
    first = a.cast(start * last, "float32")
    many = first + at * a.cast((end - start) * last, "float32") / steps
    return a.where(a.number(axis.new, "int64") > 1, many, middle)


def _asymmetric(a: SizeArrays, axis: Axis, at: Array) -> Array:
    return at / _scale(a, axis)


def _half_pixel_for_nearest(a: SizeArrays, axis: Axis, at: Array) -> Array:
    return (at + F(0.5)) / _scale(a, axis)


TRANSFORMATIONS: dict[str, Callable[[SizeArrays, Axis, Array], Array]] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "pytorch_half_pixel": _pytorch_half_pixel,
    "align_corners": _align_corners,
    "asymmetric": _asymmetric,
    "tf_half_pixel_for_nn": _half_pixel_for_nearest,
    "tf_crop_and_resize": _crop,
}
"""Values of ``coordinate_transformation_mode``: the coordinate in the input of each index of the output."""
HALF_PIXEL = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel")
"""Those that agree where an axis is enlarged by a whole factor."""
ROUNDING: dict[str, Callable[[SizeArrays, Array], Array]] = {
    "round_prefer_floor": lambda a, at: a.ceil(at - F(0.5)),
    "round_prefer_ceil": lambda a, at: a.floor(at + F(0.5)),
    "floor": lambda a, at: a.floor(at),
    "ceil": lambda a, at: a.ceil(at),
}
"""Values of ``nearest_mode``."""


def coordinates(a: SizeArrays, axis: Axis, transformation: str) -> Array:
    """The coordinate in the input of each index of the output, in float32."""
    return TRANSFORMATIONS[transformation](a, axis, a.cast(a.arange(axis.new), "float32"))


def _limited(a: SizeArrays, at: Array, last: Array) -> Array:
    return a.minimum(a.maximum(at, 0 * at), last)


# -- weights -----------------------------------------------------------------------------------------------------------


def _triangle(a: SizeArrays, distance: Array, coefficient: float) -> Array:
    return a.maximum(1.0 - distance, 0 * distance)


def _keys(a: SizeArrays, distance: Array, c: float) -> Array:
    """Keys's cubic; see equation (4) of https://ieeexplore.ieee.org/document/1163711."""
    near = ((c + 2) * distance - (c + 3)) * distance * distance + 1.0
    far = ((c * distance - 5 * c) * distance + 8 * c) * distance - 4 * c
    return a.where(distance <= 1.0, near, a.where(distance < 2.0, far, 0 * far))


FILTERS: dict[str, tuple[int, Callable[[SizeArrays, Array, float], Array]]] = {
    "linear": (1, _triangle),
    "cubic": (2, _keys),
}
"""Modes of interpolation: how far the filter reaches, and its value at a distance."""


def taps(
    a: SizeArrays, axis: Axis, at: Array, mode: str, coefficient: float, exclude_outside: bool, antialias: bool
) -> Table:
    """For each output the weights of adjacent elements of the input.

    Elements outside the axis repeat the outermost one, or are left out if ``exclude_outside``.
    """
    reach, function = FILTERS[mode]
    most, shrink = _reach(axis, reach) if antialias else (reach, None)
    check_known("Resize", axis.new, 2 * most)
    if shrink is None and antialias:
        shrink = a.minimum(a.cast(_scale(a, axis), "float64"), 1.0)
    low = a.floor(at)
    offsets = a.arange(2 * most, 1 - most)
    share = a.cast(at, "float64") - a.cast(low, "float64")
    distances = a.absolute(a.cast(offsets, "float64") - a.expand_dims(share, 1))
    weights = function(a, distances if shrink is None else distances * shrink, coefficient)
    places = a.expand_dims(a.cast(low, "int64"), 1) + offsets
    last = a.number(axis.old - 1, "int64")
    inside = a.minimum(a.maximum(places, 0 * places), last)
    if exclude_outside:
        weights = weights * a.cast(a.equal(places, inside), "float64")
    if exclude_outside or antialias:
        total = a.cumsum(weights, 1)[:, -1:]
        weights = weights / a.where(a.equal(total, 0.0), 1.0, total)
    return folded(a, inside, weights)


def _reach(axis: Axis, reach: int) -> tuple[Dim, float | None]:
    """How far a filter reaches that grows with a reduction, and the factor of its distances if that is known."""
    if axis.scale is None and not (isinstance(axis.new, int) and isinstance(axis.old, int)):
        return maximum(ceil_div(reach * axis.old, axis.new), reach), None
    scale = axis.scale if axis.scale is not None else float(F(axis.new) / F(axis.old))
    shrink = min(scale, 1.0)
    return math.ceil(reach / shrink), shrink


def _interpolated(call: OnnxCall, x: Symbol, axis: int, table: Table) -> Symbol:
    if not is_floating(x.dtype):
        call.refuse(f"interpolation of {x.dtype} is not supported: insert a Cast to float")
    return resample(call, x, axis, table)
