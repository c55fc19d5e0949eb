"""Tables of weights for Resample: tensors resized by interpolation, and pooled by windows that depend on the size.

A table is made of arrays if the sizes of the axis are known, else of tensors that the network computes from them by the
same formula (:class:`~sofie_jit.ir.size_arrays.SizeArrays`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sofie_jit.frontends.base import NodeCall
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, ceil_div, minimum
from sofie_jit.ir.operators.resample import Resample
from sofie_jit.ir.operators.scatter import ScatterElements
from sofie_jit.ir.size_arrays import Array, SizeArrays
from sofie_jit.ir.types import check_table


class Table(NamedTuple):
    """For each output along an axis the elements of the input that it depends on."""

    first: Array
    """The index of the first of them, int64."""
    count: Array
    """Their number, int64."""
    weights: Array
    """Their weights, (outputs, taps); those from ``count`` on are not used."""


def resample(call: NodeCall, x: Symbol, axis: int, table: Table) -> Symbol:
    """Weighted sums of adjacent elements along ``axis``."""
    if axis == 0:  # Resample works along all axes but the first
        return ops.squeeze(resample(call, ops.expand_dims(x, 0), 1, table), [0])
    first, count, weights = table
    if isinstance(weights, Symbol):
        return call.add(Resample(axis=axis), x, ops.cast(weights, x.dtype), ops.stack([first, count], 1))
    taps = max(int(count.max(initial=0)), 1)
    check_table("resampling", len(weights), taps)
    spans = np.stack([first, count], 1).astype(np.int64)
    kept = np.where(np.arange(taps) < spans[:, 1:], weights[:, :taps], 0)
    return call.add(
        Resample(axis=axis), x, call.constant(kept.astype(x.dtype), "weights"), call.constant(spans, "spans")
    )


def indices(a: SizeArrays, first: Array, taps: Dim) -> Array:
    """The indices of ``taps`` elements from each of ``first`` on: (outputs, taps)."""
    return a.expand_dims(first, 1) + a.arange(taps)


def normalized(a: SizeArrays, weights: Array, count: Array) -> Array:
    """``weights``, those from ``count`` on 0, multiplied by a factor so that their sum is 1.

    They are added one after the other, as frameworks do.
    """
    kept = weights * a.cast(a.arange(weights.shape[1]) < a.expand_dims(count, 1), str(weights.dtype))
    total = a.cumsum(kept, 1)[:, -1:]
    return kept * (1.0 / a.where(a.equal(total, 0), 1.0, total))


def folded(a: SizeArrays, places: Array, weights: Array) -> Table:
    """The table of ``weights`` at ``places`` (outputs, taps), which do not decrease; equal places are added up."""
    first = places[:, :1]
    at, table = places - first, 0 * weights
    if a.known:
        np.add.at(table, (np.arange(len(at))[:, np.newaxis], at), weights)
    else:
        table = at.builder.add(ScatterElements(axis=1, reduction="add"), table, at, weights)
    return Table(a.squeeze(first, 1), a.squeeze(at[:, -1:], 1) + 1, table)


def windows(a: SizeArrays, size: Dim, outputs: Dim) -> tuple[Array, Array]:
    """The first index of each of ``outputs`` windows that cover ``size`` elements, and the one after its last.

    They overlap if the size is not a multiple of their number.

    >>> from sofie_jit.ir.builder import Builder
    >>> from sofie_jit.ir.rmodel import RModel
    >>> windows(SizeArrays(Builder(RModel("example")), 5, 3), 5, 3)
    (array([0, 1, 3]), array([2, 4, 5]))
    """
    places, number, wide = a.arange(outputs), a.number(outputs, "int64"), a.number(size, "int64")
    return a.quotient(places * wide, number), a.quotient((places + 1) * wide + number - 1, number)


def window_taps(size: Dim, outputs: Dim) -> Dim:
    """The largest number of elements that a window can have (:func:`windows`)."""
    return minimum(ceil_div(size, outputs) + 1, size)


def adaptive_mean(call: NodeCall, x: Symbol, axis: int, outputs: Dim) -> Symbol:
    """The means of ``outputs`` windows that cover ``axis``."""
    size = x.shape[axis]
    if size == outputs:
        return x
    a, taps = SizeArrays(x.builder, size, outputs), window_taps(size, outputs)
    check_known("adaptive pooling", outputs, taps)
    first, end = windows(a, size, outputs)
    share = a.expand_dims(1.0 / a.cast(end - first, "float64"), 1)
    weights = a.broadcast_to(share, (outputs, taps))
    return resample(call, x, axis, Table(first, end - first, weights))


def adaptive_max(x: Symbol, axis: int, outputs: Dim) -> Symbol:
    """The largest elements of ``outputs`` windows that cover ``axis``."""
    size = x.shape[axis]
    if size % outputs == 0:
        return ops.max(ops.reshape(x, (*x.shape[:axis], outputs, size // outputs, *x.shape[axis + 1 :])), axis + 1)
    a, taps = SizeArrays(x.builder, size, outputs), window_taps(size, outputs)
    check_known("adaptive pooling", outputs, taps)
    first, end = windows(a, size, outputs)
    # the windows side by side, made equally large by repeating their last element
    places = a.minimum(indices(a, first, taps), a.expand_dims(end - 1, 1))
    return ops.max(ops.take(x, places, axis), axis + 1)


def check_known(operator: str, *sizes: Dim) -> None:
    """Raises ShapeError if a table of these sizes, as far as they are known, would have too many elements."""
    check_table(operator, *(size for size in sizes if isinstance(size, int)))
