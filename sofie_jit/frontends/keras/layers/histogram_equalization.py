"""ContrastLimitedAdaptiveHistogramEqualization: the histogram of each tile of an image, equalized."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, ceil_div, product, static_dim
from sofie_jit.ir.size_arrays import Array, SizeArrays
from sofie_jit.ir.types import MAX_TABLE, check_table

LEVELS = 256
"""The number of levels of a channel."""


@layer("ContrastLimitedAdaptiveHistogramEqualization", mask=stops)
def equalization(call: LayerCall, images: Symbol, training: bool = False) -> Symbol:
    """Each pixel mapped by the equalized histograms of the four nearest tiles, which are interpolated.

    A histogram is cut at ``clip_limit`` times its mean, and the rest is distributed evenly. ``training`` has no
    influence.
    """
    low, high = (float(limit) for limit in call.config["value_range"])
    first = call.config["data_format"] == "channels_first"
    x = ops.moveaxis(images, -3, -1) if first else images
    single = x.rank == 3
    x = ops.expand_dims(x, 0) if single else x
    if (low, high) != (0, 255):
        x = ops.multiply(ops.divide(ops.subtract(ops.cast(x, "float32"), low), high - low), 255.0)
    y = _equalized(call, x)
    if (low, high) != (0, 255):
        y = ops.add(ops.multiply(ops.divide(y, 255.0), high - low), low)
    y = ops.squeeze(y, 0) if single else y
    return ops.cast(ops.moveaxis(y, -1, -3) if first else y, images.dtype)


def _equalized(call: LayerCall, x: Symbol) -> Symbol:
    """Images (batch, height, width, channels) of levels from 0 to 255, equalized in float32."""
    height, width, channels = *x.shape[1:3], static_dim(call.layer.class_name, x.shape, 3)
    grid = [int(count) for count in call.config["tile_grid_size"]]
    if not all(0 < count <= MAX_TABLE for count in grid):
        call.refuse(f"tile_grid_size={grid} is not supported; expected two numbers from 1 to {MAX_TABLE:,}")
    tile = [ceil_div(size, count) for size, count in zip((height, width), grid, strict=True)]
    size = [t * count for t, count in zip(tile, grid, strict=True)]
    check_table("the histograms of tiles", (grid[0] + 2) * (grid[1] + 2), channels, LEVELS)
    borders = [(0, 0), (0, size[0] - height), (0, size[1] - width), (0, 0)]
    levels = ops.cast(ops.clip(ops.pad(x, borders, "symmetric"), 0, LEVELS - 1), "int32")

    tiles = ops.reshape(levels, (x.shape[0], grid[0], tile[0], grid[1], tile[1], channels))
    pixels = product(*tile)
    tiles = ops.reshape(ops.transpose(tiles, (0, 1, 3, 5, 2, 4)), (x.shape[0], *grid, channels, pixels))
    table = _maps(tiles, pixels, float(call.config["clip_limit"]))
    table = ops.pad(
        table, [(0, 0), (1, 1), (1, 1), (0, 0), (0, 0)], "symmetric"
    )  # beyond the outermost centers of tiles
    table = ops.reshape(table, (x.shape[0], (grid[0] + 2) * (grid[1] + 2) * channels * LEVELS))

    a = SizeArrays(x.builder, height, width)
    (top, bottom, down), (left, right, across) = (_neighbors(a, *of) for of in zip(size, tile, grid, strict=True))
    down, across = a.reshape(down, (size[0], 1, 1)), a.reshape(across, (size[1], 1))

    def mapped(rows: Array, columns: Array) -> Symbol:
        """The levels mapped by the tiles with these indices."""
        tiles = a.expand_dims(rows, 1) * np.int64(grid[1] + 2) + columns
        offsets = (a.expand_dims(tiles, 2) * np.int64(channels) + np.arange(channels)) * np.int64(LEVELS)
        places = ops.reshape(ops.add(levels, a.cast(offsets, "int32")), (x.shape[0], product(*size, channels)))
        return ops.reshape(ops.take_along_axis(table, places, 1), (x.shape[0], *size, channels))

    def between(first: Symbol, second: Symbol, weight: Array) -> Symbol:
        return ops.add(ops.multiply(first, 1 - weight), ops.multiply(second, weight))

    above, below = (between(mapped(rows, left), mapped(rows, right), across) for rows in (top, bottom))
    return ops.cut(between(above, below, down), [1, 2], [(0, border[1]) for border in borders[1:3]])


def _maps(tiles: Symbol, pixels: Dim, clip_limit: float) -> Symbol:
    """The level that each level becomes in each tile, from the levels of its pixels along the last axis."""
    histogram, a = ops.sum(ops.one_hot(tiles, LEVELS), -2), SizeArrays(tiles.builder, pixels)
    if clip_limit > 0:
        limit = a.number(pixels, "float64") * clip_limit / LEVELS
        clipped = ops.minimum(histogram, a.cast(limit, "float32"))
        excess = ops.sum(ops.subtract(histogram, clipped), -1, keepdims=True)
        histogram = ops.add(clipped, ops.divide(excess, float(LEVELS)))
    below = ops.cumsum(histogram, -1)
    least = ops.min(below, -1, keepdims=True)
    rest = ops.subtract(a.number(pixels, "float32"), least)
    rest = ops.where(ops.equal(rest, 0), 1.0, rest)
    return ops.clip(ops.divide(ops.multiply(ops.subtract(below, least), 255.0), rest), 0.0, 255.0)


def _neighbors(a: SizeArrays, size: Dim, tile: Dim, count: int) -> tuple[Array, Array, Array]:
    """For each pixel of an axis the padded indices of the tiles around it, and the weight of the second."""
    number = a.number(tile, "float32")
    position = (a.cast(a.arange(size), "float32") - number / 2) / number + 1
    before = a.floor(position)
    inside = [a.cast(a.clip(index, 0, count + 1), "int64") for index in (before, before + 1)]
    return inside[0], inside[1], position - before
