"""Convolutions that no kernel computes, by other operators.

Kernels of convolutions take weights that are packed once, and those of transposed convolutions have no groups. Weights
that are computed by the model make products of matrices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, product, static_dim, static_dims
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.operators.geometry import Axis, outputs_of
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.types import check_table


def conv(operator: Conv, x: Symbol, w: Symbol) -> Symbol:
    """``operator`` without a bias: x (N, C, spatial axes), w (M, C / group, spatial axes)."""
    return _correlated(x, w, operator.window(x.type, w.type)[0], operator.group)


def conv_transpose(operator: ConvTranspose, x: Symbol, w: Symbol) -> Symbol:
    """``operator`` without a bias: x (N, C, spatial axes), w (C, M / group, spatial axes).

    It is a convolution of the image, with zeros between its pixels, by the reversed kernel.
    """
    axes, channels, outputs = operator.window(x.type, w.type)
    group, spatial = operator.group, w.shape[2:]
    shapes = (group, channels // group, outputs // group, *spatial), (outputs, channels // group, *spatial)
    x, windows = _stuffed(x, axes)
    array = ops.weight_of(w)
    if array is None:
        kernel = ops.flip(w, list(range(2, w.rank)))
        turned = ops.reshape(ops.swapaxes(ops.reshape(kernel, shapes[0]), 1, 2), shapes[1])
        return _correlated(x, turned, windows, group)
    reverse = np.flip(array, tuple(range(2, w.rank)))
    constant = w.builder.constant(np.ascontiguousarray(reverse.reshape(shapes[0]).swapaxes(1, 2).reshape(shapes[1])))
    befores, afters = (static_dims("ConvTranspose", sizes, "pads") for sizes in zip(*map(_pads, windows), strict=True))
    if min(*befores, *afters) < 0:
        borders = [0, 0, *(min(n, 0) for n in befores), 0, 0, *(min(n, 0) for n in afters)]
        x = x.builder.add(Pad(pads=borders), x)
    pads = [max(n, 0) for n in (*befores, *afters)]
    dilations = [axis.dilation for axis in windows]
    y: Symbol = x.builder.add(Conv(pads=pads, dilations=dilations, group=group), x, constant)
    return y


def col2im(
    name: str, columns: Symbol, image: Sequence[Dim], kernel: Sequence[int], strides: Sequence[int],
    dilations: Sequence[int], pads: Sequence[tuple[int, int]],
) -> Symbol:  # fmt: skip
    """Windows (N, C * elements of a window, number of windows) added up to images (N, C, spatial axes).

    It is the transposed convolution of each channel, with one filter for each element of a window.

    ``name``: that of the operator in the model. ``image``: sizes of the image.

    Raises ShapeError if the windows do not fit the image.
    """
    taps = math.prod(kernel)
    channels, rest = divmod(static_dim(name, columns.shape, 1), taps)
    axes = [
        Axis(size, k, stride, dilation, before, after)
        for size, k, stride, dilation, (before, after) in zip(image, kernel, strides, dilations, pads, strict=True)
    ]
    counts = outputs_of(axes)
    if rest or Requirement(columns.shape[2], "==", product(*counts)).holds is False:
        raise ShapeError(
            f"{name}: {columns.shape[1]} rows and {columns.shape[2]} columns do not fit windows of {list(kernel)} in "
            f"images of {list(image)}"
        )
    check_table(name, channels, taps, taps)
    windows = ops.reshape(columns, (product(columns.shape[0], channels), taps, *counts))
    weight = columns.builder.constant(np.eye(taps, dtype=columns.dtype).reshape(taps, 1, *kernel))
    whole = columns.builder.add(ConvTranspose(strides=strides, dilations=dilations), windows, weight)
    borders = [
        (-axis.before, axis.size + axis.before - axis.under(count)) for axis, count in zip(axes, counts, strict=True)
    ]
    return ops.reshape(ops.pad(whole, [(0, 0), (0, 0), *borders]), (columns.shape[0], channels, *image))


def _pads(axis: Axis) -> tuple[Dim, Dim]:
    return axis.before, axis.after


def _stuffed(x: Symbol, axes: Sequence[Axis]) -> tuple[Symbol, Sequence[Axis]]:
    """``x`` with zeros between its pixels, and the windows of the convolution that ``axes`` are the transpose of."""
    windows = []
    for axis, part in enumerate(axes, 2):
        x = _spread(x, axis, part.stride)
        spread, before = (part.out - 1) * part.stride + 1, part.extent - 1 - part.before
        after = part.size + part.extent - 1 - spread - before
        windows.append(Axis(spread, part.kernel, 1, part.dilation, before, after))
    return x, windows


def _spread(x: Symbol, axis: int, stride: int) -> Symbol:
    """``x`` with ``stride - 1`` zeros between neighbors along an axis."""
    if stride == 1:
        return x
    apart = ops.expand_dims(x, axis + 1)
    padded = ops.pad(apart, [(0, stride - 1 if a == axis + 1 else 0) for a in range(apart.rank)])
    merged = ops.reshape(padded, (*x.shape[:axis], product(x.shape[axis], stride), *x.shape[axis + 1 :]))
    return ops.cut(merged, [axis], [(0, stride - 1)])


def _correlated(x: Symbol, w: Symbol, axes: Sequence[Axis], group: int) -> Symbol:
    """The windows of ``x`` times the kernel."""
    count, sizes = len(axes), outputs_of(axes)
    x = ops.pad(x, [(0, 0), (0, 0), *map(_pads, axes)])
    for number, axis in reversed(list(enumerate(axes, 2))):
        x = ops.windows(x, number, axis.kernel, axis.stride, axis.dilation, axis.out)
    batch, channels = x.shape[:2]
    outputs = w.shape[0]
    # (N, C, out, k, out, k, ...) -> (N, group, C / group * k * k, out * out)
    order = [0, 1, *range(3, 3 + 2 * count, 2), *range(2, 2 + 2 * count, 2)]
    terms = product(channels, *(axis.kernel for axis in axes)) // group
    columns = ops.reshape(ops.transpose(x, order), (batch, group, terms, product(*sizes)))
    rows = ops.reshape(w, (group, product(outputs) // group, terms))
    return ops.reshape(ops.matmul(rows, columns), (batch, outputs, *sizes))
