"""The index of the maximum of each window of an image."""

from __future__ import annotations

import math

import numpy as np

from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import maximum, product
from sofie_jit.ir.operators.geometry import outputs_of
from sofie_jit.ir.operators.pool import MaxPool
from sofie_jit.ir.size_arrays import SizeArrays


def window_argmax(operator: MaxPool, x: Symbol, *, column_major: bool = False) -> Symbol:
    """For each maximum of images (N, C, spatial axes) its index, as int64, among the elements of its image.

    ``operator`` computes the maxima; of equal elements of a window, the first one is meant. ``column_major``: whether
    indices count the elements along the first spatial axis first.
    """
    axes, rank = operator.window(x.type)[0], x.rank - 2
    (batch, channels, *sizes), out = x.shape, outputs_of(axes)
    smallest = -np.inf if x.dtype.startswith("float") else np.iinfo(x.dtype).min
    after = [maximum(axis.under(axis.out) - axis.before - axis.size, 0) for axis in axes]
    borders = [(axis.before, end) for axis, end in zip(axes, after, strict=True)]
    values = ops.pad(x, [(0, 0), (0, 0), *borders], constant_values=smallest)
    for number, axis in reversed(list(enumerate(axes, 2))):
        values = ops.windows(values, number, axis.kernel, axis.stride, axis.dilation, axis.out)
    places, elements = range(2, 2 + 2 * rank, 2), range(3, 3 + 2 * rank, 2)
    taps = math.prod(axis.kernel for axis in axes)
    values = ops.reshape(ops.transpose(values, [0, 1, *places, *elements]), (batch, channels, *out, taps))
    best = ops.argmax(values, -1)
    a, index = SizeArrays(x.builder, *sizes), ops.zeros_like(best, "int64")
    for number, axis in enumerate(axes):
        others = sizes[:number] if column_major else sizes[number + 1 :]
        later = math.prod(axis.kernel for axis in axes[number + 1 :])
        tap = ops.cast(ops.mod(ops.floor_divide(best, later), axis.kernel), "int64")
        first = a.arange(axis.out) * a.number(axis.stride, "int64") - a.number(axis.before, "int64")
        along = a.reshape(first, tuple(axis.out if other == number else 1 for other in range(rank)))
        place = ops.add(ops.multiply(tap, np.int64(axis.dilation)), along)
        index = ops.add(index, ops.multiply(place, a.number(product(*others), "int64")))
    return index
