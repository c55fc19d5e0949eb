"""Elements and slices written at indices, also with sums, products, means or extremes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.creation import arange, filled
from sofie_jit.frontends.pytorch.aten.indexing import places_of
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, Operand, aten
from sofie_jit.frontends.pytorch.aten.shapes import broadcast
from sofie_jit.frontends.pytorch.aten.slices import sliced
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis, product
from sofie_jit.ir.operators.elementwise import Where
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.math import CumSum
from sofie_jit.ir.operators.scatter import ScatterElements, ScatterND
from sofie_jit.ir.requirements import broadcast_shapes

REDUCTIONS = {
    "add": "add", "sum": "add", "mean": "add", "multiply": "mul", "prod": "mul", "amax": "max", "amin": "min",
}  # fmt: skip
"""Names of reductions in PyTorch and ONNX."""
IDENTITIES = {"add": 0.0, "mul": 1.0, "max": -math.inf, "min": math.inf}


def _scattered(call: AtenCall, x: Symbol, dim: int, index: Symbol, src: Symbol, reduction: str = "none") -> Symbol:
    if x.rank == 0:
        one = _scattered(call, *(ops.reshape(x, (1,)), 0, ops.reshape(index, (1,)), ops.reshape(src, (1,))), reduction)
        return ops.reshape(one, ())
    for axis, (have, want) in enumerate(zip(src.shape, index.shape, strict=True)):
        if have != want:
            src = sliced(call, src, axis, 0, want)
    axis = normalize_axis("scatter", dim, x.rank)
    return call.add(ScatterElements(axis=axis, reduction=reduction), x, index, ops.cast(src, x.dtype))


@aten("scatter.src", "scatter.reduce")
def scatter(call: AtenCall, x: Symbol, dim: int, index: Symbol, src: Symbol, reduce: str | None = None) -> Symbol:
    """``x`` with elements replaced by those of ``src``, or combined with them."""
    if reduce is not None and reduce not in ("add", "multiply"):
        call.refuse(f"reduce={reduce!r} is not supported")
    return _scattered(call, x, dim, index, src, "none" if reduce is None else REDUCTIONS[reduce])


@aten("scatter.value", "scatter.value_reduce")
def scatter_value(
    call: AtenCall, x: Symbol, dim: int, index: Symbol, value: Operand, reduce: str | None = None
) -> Symbol:
    """``x`` with a value at indices, or combined with it."""
    return scatter(call, x, dim, index, broadcast(call, call.cast(value, x.dtype), index.shape), reduce)


@aten("scatter_add")
def scatter_add(call: AtenCall, x: Symbol, dim: int, index: Symbol, src: Symbol) -> Symbol:
    """``x`` with elements of ``src`` added at indices."""
    return _scattered(call, x, dim, index, src, "add")


@aten("scatter_reduce.two")
def scatter_reduce(
    call: AtenCall, x: Symbol, dim: int, index: Symbol, src: Symbol, reduce: str, include_self: bool
) -> Symbol:
    """``x`` combined with elements of ``src`` at indices; elements that get none keep their value."""
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        call.refuse(f"reduce={reduce!r} is not supported")
    reduction = REDUCTIONS[reduce]
    start = x
    if not include_self:
        if not x.dtype.startswith("float") and reduction in ("max", "min"):
            limits = np.iinfo(x.dtype)
            identity: Any = limits.min if reduction == "max" else limits.max
        else:
            identity = IDENTITIES[reduction]
        start = scatter_value(call, x, dim, index, identity)
    total = _scattered(call, start, dim, index, src, reduction)
    if reduce != "mean":
        return total
    if not x.dtype.startswith("float"):
        call.refuse(f"the mean of {x.dtype} is not supported")
    ones = ops.ones_like(x)
    counts = ones if include_self else scatter_value(call, ones, dim, index, 0.0)
    counts = _scattered(call, counts, dim, index, ops.ones_like(index, x.dtype), "add")
    return ops.divide(total, counts)


# -- slices ------------------------------------------------------------------------------------------------------------


def _slices(call: AtenCall, x: Symbol, dim: int, index: Symbol, source: Symbol, reduction: str) -> Symbol:
    axis = normalize_axis("index_add", dim, x.rank)
    index = ops.reshape(index, [-1 if a == axis else 1 for a in range(x.rank)])
    return _scattered(call, x, axis, broadcast(call, index, source.shape), source, reduction)


@aten("index_add")
def index_add(call: AtenCall, x: Symbol, dim: int, index: Symbol, source: Symbol, alpha: Any) -> Symbol:
    """``x`` with slices of ``source`` added at indices along an axis."""
    scaled = source if alpha == 1 else ops.multiply(source, call.cast(alpha, source.dtype))
    return _slices(call, x, dim, index, scaled, "add")


@aten("index_copy")
def index_copy(call: AtenCall, x: Symbol, dim: int, index: Symbol, source: Symbol) -> Symbol:
    """``x`` with slices replaced at indices along an axis."""
    return _slices(call, x, dim, index, source, "none")


@aten("index_fill")
def index_fill(call: AtenCall, x: Symbol, dim: int, index: Symbol, value: Operand) -> Symbol:
    """``x`` with slices filled with a value at indices along an axis."""
    axis = normalize_axis("index_fill", dim, x.rank)
    shape = tuple(index.shape[0] if a == axis else size for a, size in enumerate(x.shape))
    return _slices(call, x, dim, index, broadcast(call, call.cast(value, x.dtype), shape), "none")


@aten("index_reduce")
def index_reduce(
    call: AtenCall, x: Symbol, dim: int, index: Symbol, source: Symbol, reduce: str, include_self: bool
) -> Symbol:
    """``x`` combined with slices of ``source`` at indices along an axis."""
    axis = normalize_axis("index_reduce", dim, x.rank)
    index = ops.reshape(index, [-1 if a == axis else 1 for a in range(x.rank)])
    return scatter_reduce(call, x, axis, broadcast(call, index, source.shape), source, reduce, include_self)


@aten("index_put", "_unsafe_index_put")
def index_put(call: AtenCall, x: Symbol, indices: list[Symbol | None], values: Symbol, accumulate: bool) -> Symbol:
    """``x`` with ``x[indices] = values``, or with the values added."""
    given = {axis: at for axis, at in enumerate(indices) if at is not None}
    if [at.dtype for at in given.values()] == ["bool"] and all(size == 1 for size in values.shape):
        return _masked(call, x, given, values, accumulate)
    given = places_of(call, indices)
    axes = list(given)
    if axes != list(range(axes[0], axes[-1] + 1)):
        call.refuse("indices of axes that are not neighbors are not supported")
    rest = [axis for axis in range(x.rank) if axis not in axes]
    moved = ops.transpose(x, [*axes, *rest])
    common = broadcast_shapes("index_put", *(at.shape for at in given.values()))
    tuples = [ops.expand_dims(broadcast(call, ops.cast(at, "int64"), common), -1) for at in given.values()]
    places = ops.concatenate(tuples, -1)
    # the axes of the indices are where the first of the indexed axes was
    before = len([axis for axis in rest if axis < axes[0]])
    picked = (*moved.shape[len(axes) : len(axes) + before], *common, *moved.shape[len(axes) + before :])
    spread = broadcast(call, ops.cast(values, x.dtype), picked)
    order = [*range(before, before + len(common)), *range(before), *range(before + len(common), len(picked))]
    operator = ScatterND(reduction="add" if accumulate else "none")
    changed = call.add(operator, moved, places, ops.transpose(spread, order))
    return ops.transpose(changed, np.argsort([*axes, *rest]).tolist())


def _masked(call: AtenCall, x: Symbol, given: dict[int, Symbol], values: Symbol, accumulate: bool) -> Symbol:
    """``x`` with a value where a mask is true."""
    ((axis, mask),) = given.items()
    value = ops.reshape(ops.cast(values, x.dtype), ())
    mask = ops.reshape(mask, (*[1] * axis, *mask.shape, *[1] * (x.rank - axis - mask.rank)))
    return call.add(Where(), mask, ops.add(x, value) if accumulate else value, x)


# -- bags --------------------------------------------------------------------------------------------------------------


@aten("embedding_bag", "_embedding_bag", "_embedding_bag_forward_only")
def embedding_bag(
    call: AtenCall, weight: Symbol, indices: Symbol, offsets: Symbol, scale_grad_by_freq: Any, mode: int, sparse: Any,
    per_sample_weights: Symbol | None, include_last_offset: bool, padding_idx: int | None = None,
) -> tuple[Symbol | None, ...]:  # fmt: skip
    """Sums (mode 0), means (1) or maxima (2) of the rows of a table in each bag; bags begin at ``offsets``.

    Indices ``padding_idx`` do not count. They go to one more bag, which is dropped.
    """
    if include_last_offset:
        offsets = sliced(call, offsets, 0, 0, offsets.shape[0] - 1)
    rows = call.add(Gather(axis=0), weight, indices)
    if per_sample_weights is not None:
        rows = ops.multiply(rows, ops.expand_dims(per_sample_weights, -1))
    positions = call.symbol(arange(call, indices.shape[0], "int64"))
    bag = ops.subtract(ops.cast(ops.searchsorted(ops.cast(offsets, "int64"), positions, "right"), "int64"), 1)
    bags = offsets.shape[0]
    padded = padding_idx is not None and padding_idx >= 0
    if padded:
        bag = ops.where(ops.equal(ops.cast(indices, "int64"), padding_idx), call.symbol(bags), bag)
    shape = (bags + 1 if padded else bags, weight.shape[1])
    start = broadcast(call, call.cast(IDENTITIES["max"] if mode == 2 else 0.0, weight.dtype), shape)
    places = broadcast(call, ops.expand_dims(bag, -1), rows.shape)
    total = _scattered(call, start, 0, places, rows, "max" if mode == 2 else "add")
    counts = _scattered(call, ops.zeros_like(total), 0, places, ops.ones_like(rows), "add")
    if mode == 1:
        total = ops.divide(total, ops.maximum(counts, 1.0))
    elif mode == 2:
        total = ops.where(ops.greater(counts, 0.0), total, 0.0)
    return sliced(call, total, 0, 0, bags) if padded else total, None, None, None


@aten("masked_scatter")
def masked_scatter(call: AtenCall, x: Symbol, mask: Symbol, source: Symbol) -> Symbol:
    """``x`` with the elements where a mask is true replaced by those of ``source``, in order."""
    shape = broadcast_shapes("masked_scatter", x.shape, mask.shape)
    x, mask = broadcast(call, x, shape), broadcast(call, mask, shape)
    order = ops.subtract(call.add(CumSum(axis=0), ops.cast(ops.ravel(mask), "int64")), 1)
    picked = ops.take(ops.ravel(ops.cast(source, x.dtype)), ops.maximum(order, 0), 0)
    return ops.where(mask, ops.reshape(picked, shape), x)


@aten("max_unpool2d")
def max_unpool(call: AtenCall, x: Symbol, indices: Symbol, output_size: list[int]) -> Symbol:
    """Maxima at their indices within each channel, 0 elsewhere."""
    count = len(output_size)
    front = x.shape[: x.rank - count]
    values, places = (ops.reshape(part, (*front, product(*x.shape[x.rank - count :]))) for part in (x, indices))
    zeros = filled(call, [*front, product(*output_size)], 0, x.dtype)
    written = call.add(ScatterElements(axis=values.rank - 1), zeros, ops.cast(places, "int64"), values)
    return ops.reshape(written, (*front, *output_size))
