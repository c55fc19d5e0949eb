"""Images made of windows, and other operators of images that are composed of simpler ones."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends import general_convolution
from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.frontends.onnx.values import dims_of
from sofie_jit.frontends.window_argmax import window_argmax
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Shape, maximum, minimum, normalize_axis, product, static_dim, static_dims
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.pool import MaxPool
from sofie_jit.ir.operators.scatter import ScatterElements
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.size_arrays import SizeArrays
from sofie_jit.ir.types import check_table


@node("Col2Im", since=18)
def col2im(call: OnnxCall, x: Symbol, image_shape: np.ndarray, block_shape: np.ndarray) -> Symbol:
    """Windows (N, C * elements of a window, number of windows) added up to images: a transposed convolution."""
    image, block = dims_of(image_shape), [int(n) for n in block_shape.ravel().tolist()]
    rank = len(image)
    strides, dilations = (call.integers(name) or [1] * rank for name in ("strides", "dilations"))
    pads = call.integers("pads") or [0] * (2 * rank)
    borders = list(zip(pads[:rank], pads[rank:], strict=True))
    return general_convolution.col2im("Col2Im", x, image, block, strides, dilations, borders)


def max_pool_with_indices(call: OnnxCall, operator: MaxPool, x: Symbol) -> tuple[Symbol, Symbol]:
    """The maximum of each window, and its index among all elements of ``x``."""
    index = window_argmax(operator, x, column_major=call.flag("storage_order"))
    batch, channels, *sizes = x.shape
    a = SizeArrays(x.builder, *x.shape)
    image = a.reshape(a.arange(batch), (batch, 1)) * a.number(channels, "int64") + a.arange(channels)
    first = a.reshape(image * a.number(product(*sizes), "int64"), (batch, channels, *[1] * len(sizes)))
    return call.add(operator, x), ops.add(index, first)


@node("MaxUnpool", since=9)
def max_unpool(call: OnnxCall, x: Symbol, indices: Symbol, output_shape: np.ndarray | None = None) -> Symbol:
    """Maxima at their indices among all elements of the result, 0 elsewhere."""
    kernel = call.integers("kernel_shape") or []
    rank = len(kernel)
    strides, pads = call.integers("strides") or [1] * rank, call.integers("pads") or [0] * (2 * rank)
    spatial = [(n - 1) * strides[i] - pads[i] - pads[rank + i] + kernel[i] for i, n in enumerate(x.shape[2:])]
    shape: Shape = (*x.shape[:2], *spatial)
    check_table("MaxUnpool", *(n for n in shape if isinstance(n, int)))
    flat = [ops.reshape(part, (-1,)) for part in (indices, x)]
    y = ops.reshape(call.add(ScatterElements(axis=0), zeros(call, (product(*shape),), x.dtype), *flat), shape)
    if output_shape is None:
        return y
    whole = dims_of(output_shape)
    fits = len(whole) == len(shape) and all(
        Requirement(a, "<=", b).holds is not False for a, b in zip(shape, whole, strict=True)
    )
    if not fits:
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
    batch, _, height, width = x.shape
    channels = static_dim("DepthToSpace", x.shape, 1)
    if mode not in ("DCR", "CRD") or n < 1 or channels % n**2:
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
    fits = n > 0 and not any(Requirement(size % n, "==", 0).holds is False for size in (height, width))
    if mode not in ("DCR", "CRD") or not fits:
        call.refuse(f"mode {mode!r} with blocksize {n} does not fit an image of {height} by {width}")
    x = ops.resized(ops.resized(x, 2, height // n * n), 3, width // n * n)
    apart = ops.reshape(x, (batch, channels, height // n, n, width // n, n))
    moved = ops.transpose(apart, (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4))
    return ops.reshape(moved, (batch, product(channels, n, n), height // n, width // n))


def zeros(call: OnnxCall, shape: Shape, dtype: str) -> Symbol:
    """A tensor of zeros."""
    return call.add(Expand(shape=shape), call.constant(np.zeros((), dtype), "zero"))
