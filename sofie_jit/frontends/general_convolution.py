"""Convolutions that no kernel computes, by other operators.

Kernels of convolutions take weights that are packed once, and those of transposed convolutions have no groups. Weights
that are computed by the model make products of matrices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import product, static_dim, static_dims
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.operators.geometry import Axis, outputs_of
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.types import check_table


def fixed_axes(operator: str, axes: Sequence[Axis]) -> Sequence[Any]:
    """``axes``, whose sizes must be known: Axis with ints. Raises ShapeError."""
    for axis in axes:
        static_dims(operator, (axis.size, axis.before, axis.after, axis.out))
    return axes


def conv(operator: Conv, x: Symbol, w: Symbol) -> Symbol:
    """``operator`` without a bias: x (N, C, spatial axes), w (M, C / group, spatial axes)."""
    axes = fixed_axes("Conv", operator.window(x.type, w.type)[0])
    return _correlated(x, w, axes, operator.group)


def conv_transpose(operator: ConvTranspose, x: Symbol, w: Symbol) -> Symbol:
    """``operator`` without a bias: x (N, C, spatial axes), w (C, M / group, spatial axes).

    It is a convolution of the image, with zeros between its pixels, by the reversed kernel.
    """
    window, channels, outputs = operator.window(x.type, w.type)
    axes = fixed_axes("ConvTranspose", window)
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
    cut = [(min(axis.before, 0), min(axis.after, 0)) for axis in windows]
    if any(n for pair in cut for n in pair):
        borders = [0, 0, *(before for before, _ in cut), 0, 0, *(after for _, after in cut)]
        x = x.builder.add(Pad(pads=borders), x)
    pads = [max(axis.before, 0) for axis in windows] + [max(axis.after, 0) for axis in windows]
    dilations = [axis.dilation for axis in windows]
    y: Symbol = x.builder.add(Conv(pads=pads, dilations=dilations, group=group), x, constant)
    return y


def _stuffed(x: Symbol, axes: Sequence[Any]) -> tuple[Symbol, Sequence[Any]]:
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
    return ops.slice_along(merged, axis, 0, static_dim("ConvTranspose", merged.shape, axis) - stride + 1)


def _correlated(x: Symbol, w: Symbol, axes: Sequence[Any], group: int) -> Symbol:
    """The windows of ``x`` times the kernel."""
    count = len(axes)
    pads = [(axis.before, axis.after) for axis in axes]
    x = ops.pad(x, [(0, 0), (0, 0), *((max(a, 0), max(b, 0)) for a, b in pads)])
    for number in reversed(range(count)):
        axis, before = axes[number], pads[number][0]
        check_table("a window", axis.out, axis.kernel)
        taps = np.arange(axis.kernel)[:, np.newaxis] * axis.dilation + np.arange(axis.out) * axis.stride
        x = ops.take(x, taps - min(before, 0), 2 + number)  # negative pads cut the image
    batch, channels = x.shape[:2]
    outputs = w.shape[0]
    # (N, C, k, out, k, out, ...) -> (N, group, C / group * k * k, out * out)
    order = [0, 1, *range(2, 2 + 2 * count, 2), *range(3, 3 + 2 * count, 2)]
    sizes = static_dims("Conv", outputs_of(axes))
    terms = product(channels, *(axis.kernel for axis in axes)) // group
    columns = ops.reshape(ops.transpose(x, order), (batch, group, terms, math.prod(sizes)))
    rows = ops.reshape(w, (group, product(outputs) // group, terms))
    return ops.reshape(ops.matmul(rows, columns), (batch, outputs, *sizes))
