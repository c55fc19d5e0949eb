"""Images made of windows, and other operators of images that are composed of simpler ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends import general_convolution
from sofie_jit.frontends.onnx.nodes.registry import OnnxCall, node
from sofie_jit.frontends.onnx.nodes.sizes import positions
from sofie_jit.frontends.onnx.values import dims_of
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import maximum, minimum, normalize_axis, product, static_dim, static_dims
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.geometry import Axis, outputs_of
from sofie_jit.ir.operators.pool import MaxPool
from sofie_jit.ir.operators.scatter import ScatterElements
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.types import check_table


@node("Col2Im", since=18)
def col2im(call: OnnxCall, x: Symbol, image_shape: np.ndarray, block_shape: np.ndarray) -> Symbol:
    """Windows (N, C * elements of a window, number of windows) added up to images: a transposed convolution."""
    image, block = ([int(n) for n in sizes.ravel().tolist()] for sizes in (image_shape, block_shape))
    rank, taps = len(image), math.prod(block)
    strides, dilations = (call.integers(name) or [1] * rank for name in ("strides", "dilations"))
    pads = call.integers("pads") or [0] * (2 * rank)
    axes: Sequence[Any] = [
        Axis(*part) for part in zip(image, block, strides, dilations, pads[:rank], pads[rank:], strict=True)
    ]
    rows, windows = static_dims("Col2Im", x.shape[1:])
    if rows % taps or windows != math.prod(static_dims("Col2Im", outputs_of(axes))):
        call.refuse(f"{rows} rows and {windows} columns do not fit windows of {block} in images of {image}")
    channels = rows // taps
    check_table("Col2Im", channels, taps, taps)
    kernel = np.tile(np.eye(taps), (channels, 1)).reshape(channels * taps, 1, *block)
    more = [axis.size + axis.before + axis.after - axis.under(axis.out) for axis in axes]
    operator = ConvTranspose(strides=strides, dilations=dilations, pads=pads, output_padding=more, group=channels)
    columns = ops.reshape(x, (x.shape[0], rows, *outputs_of(axes)))
    taps_of_windows = call.constant(kernel.astype(x.dtype), "taps")
    if channels == 1:
        return call.add(operator, columns, taps_of_windows)
    return general_convolution.conv_transpose(operator, columns, taps_of_windows)


def max_pool_with_indices(call: OnnxCall, operator: MaxPool, x: Symbol) -> tuple[Symbol, Symbol]:
    """The maximum of each window, and its index among all elements of ``x``."""
    axes = general_convolution.fixed_axes("MaxPool", operator.window(x.type)[0])
    sizes, batch, channels = [axis.size for axis in axes], x.shape[0], static_dim("MaxPool", x.shape, 1)
    check_table("MaxPool", *static_dims("MaxPool", outputs_of(axes)), *(axis.kernel for axis in axes))
    values, places = x, np.zeros([1] * (2 * len(axes)), np.int64)
    order = range(len(sizes))
    strides = [math.prod(sizes[axis + 1 :]) for axis in order]
    if call.flag("storage_order"):
        strides = [math.prod(sizes[:axis]) for axis in order]
    for number in reversed(order):
        axis = axes[number]
        at = np.stack([axis.positions(tap) for tap in range(axis.kernel)])
        low, high = max(-int(at.min()), 0), max(int(at.max()) + 1 - axis.size, 0)
        smallest = -np.inf if x.dtype.startswith("float") else np.iinfo(x.dtype).min
        widths = [(low, high) if a == 2 + number else (0, 0) for a in range(values.rank)]
        values = ops.take(ops.pad(values, widths, constant_values=smallest), at + low, 2 + number)
        shape = [1] * (2 * len(axes))
        shape[2 * number], shape[2 * number + 1] = at.shape
        places = places + at.reshape(shape) * strides[number]
    taps, out = math.prod(axis.kernel for axis in axes), static_dims("MaxPool", outputs_of(axes))
    windows = [*range(3, 3 + 2 * len(axes), 2), *range(2, 2 + 2 * len(axes), 2)]
    values = ops.reshape(ops.transpose(values, [0, 1, *windows]), (batch, channels, math.prod(out), taps))
    table = places.transpose([axis - 2 for axis in windows]).reshape(-1)
    best = ops.cast(ops.argmax(values, -1, keepdims=True), "int64")
    largest = ops.reshape(ops.take_along_axis(values, best, -1), (batch, channels, *out))
    within = ops.add(best, (np.arange(math.prod(out)) * taps).reshape(-1, 1))
    index = ops.reshape(ops.take(call.constant(table, "places"), within, 0), (batch, channels, *out))
    first = ops.add(
        ops.multiply(ops.reshape(positions(call, batch), (-1, 1)), channels), np.arange(channels)[np.newaxis]
    )
    offset = ops.reshape(ops.multiply(first, math.prod(sizes)), (batch, channels, *[1] * len(axes)))
    return largest, ops.add(index, offset)


@node("MaxUnpool", since=9)
def max_unpool(call: OnnxCall, x: Symbol, indices: Symbol, output_shape: np.ndarray | None = None) -> Symbol:
    """Maxima at their indices among all elements of the result, 0 elsewhere."""
    kernel = call.integers("kernel_shape") or []
    rank = len(kernel)
    strides, pads = call.integers("strides") or [1] * rank, call.integers("pads") or [0] * (2 * rank)
    sizes = static_dims("MaxUnpool", x.shape)
    spatial = [(n - 1) * strides[i] - pads[i] - pads[rank + i] + kernel[i] for i, n in enumerate(sizes[2:])]
    shape = (*sizes[:2], *spatial)
    check_table("MaxUnpool", *shape)
    zero = call.constant(np.zeros(math.prod(shape), x.dtype), "zeros")
    flat = [ops.reshape(part, (-1,)) for part in (indices, x)]
    y = ops.reshape(call.add(ScatterElements(axis=0), zero, *flat), shape)
    if output_shape is None:
        return y
    whole = [int(n) for n in output_shape.ravel().tolist()]
    if len(whole) != len(shape) or any(a < b for a, b in zip(whole, shape, strict=True)):
        call.refuse(f"output_shape is {whole}, but the windows make {shape}")
    return ops.pad(y, [(0, a - b) for a, b in zip(whole, shape, strict=True)])


@node("CenterCropPad", since=18)
def center_crop_pad(call: OnnxCall, x: Symbol, shape: np.ndarray) -> Symbol:
    """The middle of a tensor, or a tensor with a border of zeros, along some axes."""
    axes = [normalize_axis("CenterCropPad", axis, x.rank) for axis in call.integers("axes") or range(x.rank)]
    sizes = dims_of(shape)
    if len(sizes) != len(axes):
        call.refuse(f"shape is {sizes} for {len(axes)} axes; expected one size for each")
    for axis, size in zip(axes, sizes, strict=True):
        if x.shape[axis] == size:
            continue
        if Requirement(0, "<=", size).holds is False:
            call.refuse(f"the size {size} is negative")
        old = x.shape[axis]
        start = maximum(old - size, 0) // 2
        kept = minimum(old, size)
        x = ops.cut(x, [axis], [(start, old - kept - start)])
        before = (size - kept) // 2
        if size == kept:
            continue
        x = ops.pad(x, [(before, size - kept - before) if a == axis else (0, 0) for a in range(x.rank)])
    return x


@node("Det", since=11)
def determinant(call: OnnxCall, x: Symbol) -> Symbol:
    """The determinants of matrices of at most four rows, by Laplace's expansion."""
    rows, columns = static_dims("Det", x.shape[-2:])
    if rows != columns or not 1 <= rows <= 4:
        call.refuse(f"determinants of matrices of {rows} x {columns} are not supported, only up to 4 x 4")
    entries = [
        [ops.squeeze(ops.slice_along(ops.slice_along(x, -2, i, i + 1), -1, j, j + 1), [-2, -1]) for j in range(rows)]
        for i in range(rows)
    ]
    return _expanded(entries, tuple(range(rows)))


def _expanded(entries: list[list[Symbol]], columns: tuple[int, ...]) -> Symbol:
    """The determinant of the last rows, as many as there are columns."""
    row = len(entries) - len(columns)
    if len(columns) == 1:
        return entries[row][columns[0]]
    total = None
    for number, column in enumerate(columns):
        minor = _expanded(entries, columns[:number] + columns[number + 1 :])
        term = ops.multiply(entries[row][column], minor)
        total = term if total is None else (ops.subtract if number % 2 else ops.add)(total, term)
    assert total is not None
    return total


@node("DepthToSpace")
def depth_to_space(call: OnnxCall, x: Symbol) -> Symbol:
    """Channels spread over blocks of pixels."""
    n, mode = call.integer("blocksize"), call.text("mode", "DCR")
    batch, channels, height, width = x.shape
    if mode not in ("DCR", "CRD") or not isinstance(channels, int) or n < 1 or channels % n**2:
        call.refuse(f"mode {mode!r} with blocksize {n} does not fit {channels} channels")
    depth = channels // n**2
    if mode == "DCR":
        apart = ops.transpose(ops.reshape(x, (batch, n, n, depth, height, width)), (0, 3, 4, 1, 5, 2))
    else:
        apart = ops.transpose(ops.reshape(x, (batch, depth, n, n, height, width)), (0, 1, 4, 2, 5, 3))
    return ops.reshape(apart, (batch, depth, product(height, n), product(width, n)))


@node("SpaceToDepth")
def space_to_depth(call: OnnxCall, x: Symbol) -> Symbol:
    """Blocks of pixels as channels."""
    n, mode = call.integer("blocksize"), call.text("mode", "DCR")
    batch, channels, height, width = x.shape
    fits = isinstance(height, int) and isinstance(width, int) and n > 0 and height % n == width % n == 0
    if mode not in ("DCR", "CRD") or not fits:
        call.refuse(f"mode {mode!r} with blocksize {n} does not fit an image of {height} by {width}")
    apart = ops.reshape(x, (batch, channels, height // n, n, width // n, n))
    moved = ops.transpose(apart, (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4))
    return ops.reshape(moved, (batch, product(channels, n, n), height // n, width // n))


def zeros(call: OnnxCall, shape: tuple[int, ...], dtype: str) -> Symbol:
    """A tensor of zeros."""
    return call.add(Expand(shape=shape), call.constant(np.zeros((), dtype), "zero"))
