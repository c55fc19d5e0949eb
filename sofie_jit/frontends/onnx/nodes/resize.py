"""Resize and Upsample: tensors in another size, one axis after the other.

Coordinates are computed in float32, as ONNX Runtime does: in large images they are exact to only some 1e-5 of an
element there, which is visible in the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sofie_jit.frontends.onnx.nodes.registry import OnnxCall, node
from sofie_jit.frontends.onnx.values import dims_of
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, SymbolicDim, normalize_axis, static_dim
from sofie_jit.ir.operators import resize as operators
from sofie_jit.ir.operators.resample import Resample
from sofie_jit.ir.types import check_table, is_floating

F = np.float32


class Axis(NamedTuple):
    """An axis that is resized."""

    old: int
    new: int
    scale: float
    """The factor in float32; ``new`` is ``old`` times it, rounded down, if the node gives scales."""
    exact: float
    """``old`` times the factor, before rounding."""
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


def _known(call: OnnxCall, x: Symbol, axis: int) -> int:
    return static_dim(call.node.op_type, x.shape, axis)


def _by_scales(call: OnnxCall, x: Symbol, scales: Sequence[float], axes: Sequence[int]) -> dict[int, Axis]:
    """The axes with their factors; those of factor 1 may have an open size and are left out."""
    if len(scales) != len(axes) or not all(0 < scale < math.inf for scale in scales):
        call.refuse(f"scales are {list(scales)} for {len(axes)} axes; expected one positive number for each")
    found = {}
    for axis, scale in zip(axes, scales, strict=True):
        if scale == 1 and isinstance(x.shape[axis], SymbolicDim):
            continue
        old = _known(call, x, axis)
        found[axis] = Axis(old, math.floor(F(old) * F(scale)), scale, old * scale)
    return found


def _by_sizes(call: OnnxCall, x: Symbol, sizes: Sequence[Dim], axes: Sequence[int], policy: str) -> dict[int, Axis]:
    """The axes with their new sizes; those that keep an open size are left out."""
    if len(sizes) != len(axes):
        call.refuse(f"sizes are {list(sizes)} for {len(axes)} axes; expected one for each")
    pairs = [(axis, new) for axis, new in zip(axes, sizes, strict=True) if x.shape[axis] != new or isinstance(new, int)]
    if any(not isinstance(new, int) for _, new in pairs):
        call.refuse(f"sizes {list(sizes)} depend on an open dimension, which is not supported")
    known = [(axis, _known(call, x, axis), new) for axis, new in pairs if isinstance(new, int)]
    if policy == "stretch":
        return {axis: Axis(old, new, float(F(new) / F(old)), new) for axis, old, new in known}
    if policy not in ("not_larger", "not_smaller"):
        call.refuse(f"keep_aspect_ratio_policy is {policy!r}; expected stretch, not_larger or not_smaller")
    scale = (min if policy == "not_larger" else max)(new / old for _, old, new in known)
    return {axis: Axis(old, int(scale * old + 0.5), scale, scale * old) for axis, old, _ in known}


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
    if min((part.old for part in changed.values()), default=1) < 1:
        call.refuse("an axis without elements cannot be resized")
    if enlarged := _enlarged(x, changed, mode, transformation, nearest_mode):
        return call.add(enlarged, x)
    outside = None
    for axis, part in sorted(changed.items(), key=lambda item: item[1].new / item[1].old):  # reductions first
        check_table("Resize", part.new, 2)
        at = coordinates(part, transformation)
        if mode == "nearest":
            x = ops.take(x, np.clip(ROUNDING[nearest_mode](at), 0, part.old - 1).astype(np.int64), axis)
        else:
            x = _interpolated(call, x, axis, *taps(part, at, mode, *options))
        if transformation == "tf_crop_and_resize":
            mask = ((at < 0) | (at > part.old - 1)).reshape([-1 if a == axis else 1 for a in range(x.rank)])
            outside = mask if outside is None else outside | mask
    if outside is None or not outside.any():
        return x
    return ops.where(call.symbol(outside, f"{call.name}/outside"), np.array(beyond, x.dtype), x)


def _enlarged(
    x: Symbol, axes: dict[int, Axis], mode: str, transformation: str, nearest_mode: str
) -> operators.Resize | operators.Upsample | None:
    """An operator for images or tensors enlarged by whole factors, if that is what the node does."""
    whole = [part.new % part.old == 0 and F(part.scale) == part.new // part.old for part in axes.values()]
    if not whole or not all(whole):
        return None
    factors = {axis: part.new // part.old for axis, part in axes.items()}
    half = transformation in HALF_PIXEL
    repeats = mode == "nearest" and (
        (half and nearest_mode.startswith("round")) or (transformation == "asymmetric" and nearest_mode == "floor")
    )
    images = x.rank == 4 and set(factors) <= {2, 3} and is_floating(x.dtype)
    images = images and all(isinstance(size, int) for size in x.shape[1:])
    if images and mode == "linear" and half:
        return operators.Resize(scales=[factors.get(2, 1), factors.get(3, 1)], mode="linear")
    return operators.Upsample(scales=[factors.get(axis, 1) for axis in range(x.rank)]) if repeats else None


# -- coordinates -------------------------------------------------------------------------------------------------------


def _half_pixel(axis: Axis, at: Any) -> Any:
    return (at + F(0.5)) / F(axis.scale) - F(0.5)


def _half_pixel_symmetric(axis: Axis, at: Any) -> Any:
    return F(axis.old / 2 * (1 - axis.new / axis.exact)) + _half_pixel(axis, at)


def _pytorch_half_pixel(axis: Axis, at: Any) -> Any:
    return _half_pixel(axis, at) if axis.new > 1 else np.zeros_like(at)


def _align_corners(axis: Axis, at: Any) -> Any:
    return at * F(axis.old - 1) / F(axis.exact - 1) if axis.exact != 1 else np.zeros_like(at)


def _crop(axis: Axis, at: Any) -> Any:
    (start, end), last = axis.region, axis.old - 1
    if axis.new == 1:
        return np.full_like(at, (start + end) * last / 2)
    return F(start * last) + at * F((end - start) * last) / F(axis.new - 1)


TRANSFORMATIONS: dict[str, Callable[[Axis, Any], Any]] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "pytorch_half_pixel": _pytorch_half_pixel,
    "align_corners": _align_corners,
    "asymmetric": lambda axis, at: at / F(axis.scale),
    "tf_half_pixel_for_nn": lambda axis, at: (at + F(0.5)) / F(axis.scale),
    "tf_crop_and_resize": _crop,
}
"""Values of ``coordinate_transformation_mode``: the coordinate in the input of each index of the output."""
HALF_PIXEL = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel")
"""Those that agree where an axis is enlarged by a whole factor."""
ROUNDING: dict[str, Callable[[Any], Any]] = {
    "round_prefer_floor": lambda at: np.ceil(at - F(0.5)),
    "round_prefer_ceil": lambda at: np.floor(at + F(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}
"""Values of ``nearest_mode``."""


def coordinates(axis: Axis, transformation: str) -> np.ndarray:
    """The coordinate in the input of each index of the output, in float32."""
    at: np.ndarray = TRANSFORMATIONS[transformation](axis, np.arange(axis.new).astype(F))
    return at


# -- weights -----------------------------------------------------------------------------------------------------------


def _triangle(distance: Any, a: float) -> Any:
    return np.maximum(1 - distance, 0)


def _keys(distance: Any, a: float) -> Any:
    """Keys's cubic; see equation (4) of https://ieeexplore.ieee.org/document/1163711."""
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))


FILTERS = {"linear": (1, _triangle), "cubic": (2, _keys)}
"""Modes of interpolation: how far the filter reaches, and its value at a distance."""


def taps(
    axis: Axis, at: np.ndarray, mode: str, a: float, exclude_outside: bool, antialias: bool
) -> tuple[np.ndarray, np.ndarray]:
    """For each output, weights of adjacent elements of the input and the index of the first, (outputs, 2) of Resample.

    Elements outside the axis repeat the outermost one, or are left out if ``exclude_outside``.
    """
    reach, function = FILTERS[mode]
    shrink = min(axis.scale, 1.0) if antialias else 1.0
    most = math.ceil(reach / shrink)
    check_table("Resize", axis.new, 2 * most)
    low = np.floor(at).astype(np.int64)
    offsets = np.arange(1 - most, most + 1)
    distances = np.abs(offsets - (at.astype(np.float64) - low)[:, np.newaxis]) * shrink
    weights = function(distances, a)
    indices = low[:, np.newaxis] + offsets
    if exclude_outside:
        weights = np.where((indices < 0) | (indices >= axis.old), 0, weights)
    if exclude_outside or antialias:
        total = weights.sum(1, keepdims=True)
        weights = weights / np.where(total == 0, 1, total)
    indices = np.clip(indices, 0, axis.old - 1)
    first = indices[:, :1]
    table = np.zeros_like(weights)
    np.add.at(table, (np.arange(axis.new)[:, np.newaxis], indices - first), weights)
    counts = indices[:, -1:] - first + 1
    return table[:, : max(int(counts.max(initial=1)), 1)], np.concatenate([first, counts], 1)


def _interpolated(call: OnnxCall, x: Symbol, axis: int, weights: np.ndarray, spans: np.ndarray) -> Symbol:
    if not is_floating(x.dtype):
        call.refuse(f"interpolation of {x.dtype} is not supported: insert a Cast to float")
    operands = call.constant(weights.astype(x.dtype), "weights"), call.constant(spans, "spans")
    if axis:
        return call.add(Resample(axis=axis), x, *operands)
    lifted = call.add(Resample(axis=1), ops.expand_dims(x, 0), *operands)
    return ops.squeeze(lifted, [0])
