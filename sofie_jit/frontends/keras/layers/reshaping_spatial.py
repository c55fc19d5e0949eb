"""Zero padding, cropping and upsampling of sequences, images and volumes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.layers.resizing import INTERPOLATIONS, resize_from_corners, resize_images
from sofie_jit.frontends.keras.layers.spatial import (
    borders,
    dimensions,
    layout,
    one_of,
    per_axis,
    spatial_axes,
)
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.frontends.keras.origin import BILINEAR_OF_TENSORFLOW_1, BILINEAR_OF_THEANO
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.resize import Resize, Upsample
from sofie_jit.ir.requirements import Requirement


def _layout(call: LayerCall) -> str:
    """The layout of images; some layers of one dimension have no ``data_format`` and are channels-last."""
    return layout(call) if "data_format" in call.config else "NHWC"


CHANNELS_LAST = {"data_format": "channels_last"}


def _modernize_1d(options: dict[str, Any]) -> dict[str, Any]:
    """Options of ZeroPadding1D as Keras 2 and 3 have them."""
    padding = options["padding"]
    if isinstance(padding, Mapping):
        padding = (padding.get("left_pad", 0), padding.get("right_pad", 0))
    return {**options, "padding": padding}


def _modernize_2d(options: dict[str, Any]) -> dict[str, Any]:
    """Options of ZeroPadding2D as Keras 2 and 3 have them."""
    padding = options["padding"]
    if isinstance(padding, Mapping):
        padding = [padding.get(side, 0) for side in ("top_pad", "bottom_pad", "left_pad", "right_pad")]
    if isinstance(padding, (list, tuple)) and len(padding) == 4:
        padding = (tuple(padding[:2]), tuple(padding[2:]))
    return {**options, "padding": padding}


@layer("ZeroPadding1D", mask=stops, defaults={**CHANNELS_LAST, "padding": 1}, modernize=_modernize_1d)
@layer("ZeroPadding2D", mask=stops, defaults={**CHANNELS_LAST, "padding": (1, 1)}, modernize=_modernize_2d)
@layer("ZeroPadding3D", mask=stops, defaults={**CHANNELS_LAST, "padding": ((1, 1), (1, 1), (1, 1))})
def zero_padding(call: LayerCall, x: Symbol) -> Symbol:
    """Zeros added before and after each spatial axis."""
    count = dimensions(call, x)
    pads = [0] * (2 * x.rank)
    for axis, (before, after) in zip(spatial_axes(count, _layout(call)), borders(call, "padding", count), strict=True):
        pads[axis], pads[x.rank + axis] = before, after
    padded: Symbol = call.add(Pad(pads=pads), x)
    return padded


@layer("Cropping1D", mask=stops, defaults={"cropping": (1, 1)})
@layer("Cropping2D", mask=stops, defaults={**CHANNELS_LAST, "cropping": ((0, 0), (0, 0))})
@layer("Cropping3D", mask=stops, defaults={**CHANNELS_LAST, "cropping": ((1, 1), (1, 1), (1, 1))})
def cropping(call: LayerCall, x: Symbol) -> Symbol:
    """Elements removed at the beginning and the end of each spatial axis."""
    count = dimensions(call, x)
    axes = list(spatial_axes(count, _layout(call)))
    pairs = borders(call, "cropping", count)
    for axis, (before, after) in zip(axes, pairs, strict=True):
        if Requirement(before + after + 1, "<=", x.shape[axis]).holds is False:
            call.refuse(
                f"cropping={pairs} removes all of its input of shape {x.shape}, which Keras does not allow either"
            )
    return ops.cut(x, axes, pairs)


@layer("UpSampling1D", mask=stops, defaults={"size": 2}, renamed={"length": "size"})
@layer("UpSampling2D", mask=stops, defaults={**CHANNELS_LAST, "size": (2, 2), "interpolation": "nearest"})
@layer("UpSampling3D", mask=stops, defaults={**CHANNELS_LAST, "size": (2, 2, 2)})
def up_sampling(call: LayerCall, x: Symbol) -> Symbol:
    """Each pixel repeated, or, in two dimensions, interpolation between pixels."""
    count, data_layout = dimensions(call, x), _layout(call)
    scales, axes = per_axis(call, "size", count), spatial_axes(count, data_layout)
    methods = {**INTERPOLATIONS, BILINEAR_OF_TENSORFLOW_1: BILINEAR_OF_TENSORFLOW_1}
    if count == 2 and call.config["interpolation"] == BILINEAR_OF_THEANO:
        call.refuse("bilinear interpolation by Theano is not supported; pass a function with replace=")
    method = one_of(call, "interpolation", methods) if count == 2 else "nearest"
    if method != "nearest" and not x.dtype.startswith("float"):  # interpolated, and since Keras 3 rounded
        interpolated = up_sampling(call, ops.cast(x, call.dtype))
        return interpolated if call.layer.keras_major < 3 else ops.cast(ops.round(interpolated), x.dtype)
    if method == "bilinear":
        resized: Symbol = call.add(Resize(scales=scales, mode="linear", layout=data_layout), x)
        return resized
    if method != "nearest":
        sizes = [x.shape[axis] * scale for axis, scale in zip(axes, scales, strict=True)]
        if method != BILINEAR_OF_TENSORFLOW_1:
            return resize_images(call, x, axes, sizes, method)
        for axis, size in zip(axes, sizes, strict=True):
            x = resize_from_corners(call, x, axis, size, "bilinear")
        return x
    per_dimension = [1] * x.rank
    for axis, scale in zip(axes, scales, strict=True):
        per_dimension[axis] = scale
    repeated: Symbol = call.add(Upsample(scales=per_dimension), x)
    return repeated
