"""Pooling with a given number of windows, which overlap if it does not divide the size of the input."""

from __future__ import annotations

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.layers.spatial import dimensions, layout, per_axis, spatial_axes
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.frontends.resampling import adaptive_max, adaptive_mean
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.types import lowest


@layer("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D", mask=stops)
def adaptive_average_pooling(call: LayerCall, x: Symbol) -> Symbol:
    """The mean of each window."""
    for axis, outputs in _outputs(call, x).items():
        x = adaptive_mean(call, x, axis, outputs)
    return x


@layer("AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D", mask=stops)
def adaptive_max_pooling(call: LayerCall, x: Symbol) -> Symbol:
    """The largest element of each window; NaN and minus infinity count as the smallest finite number, as in MaxPool."""
    least = lowest(x.dtype)
    x = ops.where(ops.greater(x, least), x, least)
    for axis, outputs in _outputs(call, x).items():
        x = adaptive_max(x, axis, outputs)
    return x


def _outputs(call: LayerCall, x: Symbol) -> dict[int, int]:
    """The number of windows along each spatial axis."""
    count = dimensions(call, x)
    return dict(zip(spatial_axes(count, layout(call)), per_axis(call, "output_size", count), strict=True))
