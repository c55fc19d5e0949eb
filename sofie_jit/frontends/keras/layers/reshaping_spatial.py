"""Zero padding, cropping and upsampling of images."""

from __future__ import annotations

from sofie_jit.frontends.keras.dialects import BILINEAR_OF_TENSORFLOW_1
from sofie_jit.frontends.keras.layers.registry import LayerCall, layer
from sofie_jit.frontends.keras.layers.resizing import INTERPOLATIONS, resize_from_corners, resize_images
from sofie_jit.frontends.keras.layers.spatial import borders, dimensions, layout, one_of, per_axis, spatial_axes
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.operator import static_dim
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.resize import Resize, Upsample
from sofie_jit.ir.operators.slice import Slice


def _layout(call: LayerCall) -> str:
    """Some layers of one dimension have no ``data_format``: they are channels-last."""
    return layout(call) if "data_format" in call.config else "NHWC"


@layer("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def zero_padding(call: LayerCall, x: Symbol) -> Symbol:
    """Zeros before and after each spatial axis."""
    count = dimensions(call, x)
    pads = [0] * (2 * x.rank)
    for axis, (before, after) in zip(spatial_axes(count, _layout(call)), borders(call, "padding", count), strict=True):
        pads[axis], pads[x.rank + axis] = before, after
    padded: Symbol = call.add(Pad(pads=pads), x)
    return padded


@layer("Cropping1D", "Cropping2D", "Cropping3D")
def cropping(call: LayerCall, x: Symbol) -> Symbol:
    """Numbers cut off before and after each spatial axis."""
    count = dimensions(call, x)
    axes = list(spatial_axes(count, _layout(call)))
    pairs = borders(call, "cropping", count)
    sizes = [static_dim(call.layer.class_name, x.shape, axis) for axis in axes]
    if any(before + after >= size for size, (before, after) in zip(sizes, pairs, strict=True)):
        call.refuse(f"cropping={pairs} leaves nothing of an input of shape {x.shape}; Keras has no such layer either")
    ends = [size - after for size, (_, after) in zip(sizes, pairs, strict=True)]
    cropped: Symbol = call.add(Slice(starts=[before for before, _ in pairs], ends=ends, axes=axes), x)
    return cropped


@layer("UpSampling1D", "UpSampling2D", "UpSampling3D")
def up_sampling(call: LayerCall, x: Symbol) -> Symbol:
    """Every pixel repeated, or, for images of two dimensions, interpolation between pixels."""
    count, data_layout = dimensions(call, x), _layout(call)
    scales, axes = per_axis(call, "size", count), spatial_axes(count, data_layout)
    methods = {**INTERPOLATIONS, BILINEAR_OF_TENSORFLOW_1: BILINEAR_OF_TENSORFLOW_1}
    method = one_of(call, "interpolation", methods) if count == 2 else "nearest"
    if method == "bilinear":
        resized: Symbol = call.add(Resize(scales=scales, mode="linear", layout=data_layout), x)
        return resized
    if method != "nearest":
        sizes = [static_dim("UpSampling2D", x.shape, axis) * scale for axis, scale in zip(axes, scales, strict=True)]
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
