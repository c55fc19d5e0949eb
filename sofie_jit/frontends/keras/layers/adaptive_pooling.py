"""Pooling with a given number of windows, which overlap if it does not divide the size of the input."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.layers.resizing import resample
from sofie_jit.frontends.keras.layers.spatial import dimensions, layout, per_axis, spatial_axes
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.operators.pool import AveragePool, MaxPool
from sofie_jit.ir.types import check_table

Windows = list[tuple[int, int]]
"""The first index of each window, and the one after its last."""


def windows(size: int, count: int) -> Windows:
    """``count`` windows that cover an axis of ``size`` elements.

    >>> windows(5, 3)
    [(0, 2), (1, 4), (3, 5)]
    """
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


@layer("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D", mask=stops)
def adaptive_average_pooling(call: LayerCall, x: Symbol) -> Symbol:
    """The mean of each window."""
    found = _windows(call, x)
    sizes = _equal_sizes(x, found)
    if sizes:
        return _pool(call, x, AveragePool, sizes)
    for axis, pairs in found.items():
        means = [(first, np.full(end - first, 1 / (end - first), x.dtype)) for first, end in pairs]
        x = resample(call, x, axis, means)
    return x


@layer("AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D", mask=stops)
def adaptive_max_pooling(call: LayerCall, x: Symbol) -> Symbol:
    """The largest element of each window."""
    found = _windows(call, x)
    sizes = _equal_sizes(x, found)
    if not sizes:  # copy the windows side by side, made equally large by repeating their last element
        sizes = [max(end - first for first, end in pairs) for pairs in found.values()]
        for (axis, pairs), size in zip(found.items(), sizes, strict=True):
            indices = [min(first + i, end - 1) for first, end in pairs for i in range(size)]
            x = ops.take(x, np.array(indices, np.int64), axis)
    return _pool(call, x, MaxPool, sizes)


def _windows(call: LayerCall, x: Symbol) -> dict[int, Windows]:
    """The windows along each spatial axis."""
    count = dimensions(call, x)
    axes = spatial_axes(count, layout(call))
    sizes = [static_dim(call.layer.class_name, x.shape, axis) for axis in axes]
    counts = per_axis(call, "output_size", count)
    for n in counts:
        check_table("adaptive pooling", n, 256)
    return {axis: windows(size, n) for axis, size, n in zip(axes, sizes, counts, strict=True)}


def _equal_sizes(x: Symbol, found: dict[int, Windows]) -> list[int]:
    """The size of the windows along each axis if they divide it into equal parts, else an empty list."""
    sizes = [pairs[0][1] for pairs in found.values()]
    equal = all(size * len(pairs) == x.shape[axis] for size, (axis, pairs) in zip(sizes, found.items(), strict=True))
    return sizes if equal else []


def _pool(call: LayerCall, x: Symbol, operator: type[AveragePool] | type[MaxPool], sizes: list[int]) -> Symbol:
    pooled: Symbol = call.add(operator(kernel_shape=sizes, strides=sizes, layout=layout(call)), x)
    return pooled
