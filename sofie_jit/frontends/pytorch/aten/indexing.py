"""Elements picked by indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.constants import computed, equal_tensors
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.frontends.pytorch.aten.shapes import broadcast, reshaped
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis, product, static_dim
from sofie_jit.ir.operators.data_dependent import NonZero
from sofie_jit.ir.operators.elementwise import Where
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.math import GatherElements
from sofie_jit.ir.requirements import broadcast_shapes


@aten("embedding")
def embedding(
    call: AtenCall, weight: Symbol, indices: Symbol, padding_idx: Any, scale_grad_by_freq: Any, sparse: Any
) -> Symbol:
    """Rows of a table."""
    return call.add(Gather(axis=0), weight, indices)


@aten("index_select")
def index_select(call: AtenCall, x: Symbol, dim: int, index: Symbol) -> Symbol:
    """Slices along an axis, one for each index; a number is a single index."""
    places = ops.reshape(index, (-1,)) if index.rank == 0 else index
    return call.add(Gather(axis=normalize_axis("index_select", dim, x.rank)), x, places)


@aten("gather")
def gather(call: AtenCall, x: Symbol, dim: int, index: Symbol, sparse_grad: Any) -> Symbol:
    """One element along an axis for each index."""
    axis = normalize_axis("gather", dim, x.rank)
    for other, size in enumerate(index.shape):
        if other != axis and size != x.shape[other]:
            x = ops.slice_along(x, other, 0, static_dim("gather", index.shape, other))
    return call.add(GatherElements(axis=axis), x, index)


@aten("take_along_dim")
def take_along_dim(call: AtenCall, x: Symbol, indices: Symbol, dim: int | None) -> Symbol:
    """One element along an axis for each index; other axes broadcast."""
    if dim is None:
        return call.add(GatherElements(axis=0), ops.ravel(x), ops.ravel(indices))
    axis = normalize_axis("take_along_dim", dim, x.rank)
    return ops.take_along_axis(x, indices, axis)


@aten("take")
def take(call: AtenCall, x: Symbol, index: Symbol) -> Symbol:
    """Elements of the flattened tensor."""
    return call.add(Gather(axis=0), ops.reshape(x, (-1,)), index)


# -- several indices ---------------------------------------------------------------------------------------------------


@aten("index", "_unsafe_index")
def index(call: AtenCall, x: Symbol, indices: list[Symbol | None]) -> Symbol:
    """``x[indices]``: tensors of integers along some axes, None for a whole axis."""
    given = places_of(call, indices)
    if not given:
        return x
    axes = list(given)
    if len(axes) == 1:
        return call.add(Gather(axis=axes[0]), x, given[axes[0]])
    flat, at = flat_index(call, x, given)
    picked: Symbol = call.add(Gather(axis=0), flat, at)  # the axes of the indices, then the others
    if axes == list(range(axes[0], axes[-1] + 1)):
        order = [*range(at.rank, at.rank + axes[0]), *range(at.rank), *range(at.rank + axes[0], picked.rank)]
        return ops.transpose(picked, order)
    return picked


def true_places(call: AtenCall, x: Symbol) -> list[Symbol]:
    """The indices of the elements that are not 0, one vector per axis; their number may depend on the data."""
    known = computed(call.builder.rmodel, x.name)
    if known is not None:
        return [call.constant(np.ascontiguousarray(places), "places") for places in np.nonzero(known)]
    found = _earlier(x)
    if found is None:
        found = call.add(NonZero(count=call.builder.new_size("nonzero")), x)
    return [ops.reshape(ops.slice_along(found, 0, axis, axis + 1), found.shape[1:]) for axis in range(x.rank)]


def _earlier(x: Symbol) -> Symbol | None:
    """The result of an earlier NonZero of equal elements, so that both have one size: ``x[mask] = y[mask]``."""
    rmodel = x.builder.rmodel
    for operator in rmodel.operators:
        if isinstance(operator, NonZero) and equal_tensors(rmodel, operator.inputs[0], x.name):
            return Symbol(operator.outputs[0], operator.infer(x.type), x.builder)
    return None


def places_of(call: AtenCall, indices: Sequence[Symbol | None]) -> dict[int, Symbol]:
    """Axis -> index of integers; an index of type bool becomes the places where it is true."""
    given: dict[int, Symbol] = {}
    axis = 0
    for at in indices:
        if at is not None and at.dtype == "bool":
            for places in true_places(call, at):
                given[axis] = places
                axis += 1
        else:
            if at is not None:
                given[axis] = at
            axis += 1
    return given


def flat_index(call: AtenCall, x: Symbol, given: dict[int, Symbol]) -> tuple[Symbol, Symbol]:
    """``x`` with the axes that have an index merged in front, and the index into that axis."""
    axes = list(given)
    rest = [axis for axis in range(x.rank) if axis not in axes]
    moved = ops.transpose(x, [*axes, *rest])
    flat = reshaped(call, moved, [product(*(x.shape[axis] for axis in axes)), *(x.shape[axis] for axis in rest)])
    total: Symbol | None = None
    for axis, at in given.items():
        size = call.symbol(x.shape[axis])
        at = ops.cast(at, "int64")
        known = ops.weight_of(at)
        if known is None or known.min(initial=0) < 0:
            at = call.add(Where(), ops.less(at, 0), ops.add(at, size), at)
        total = at if total is None else ops.add(ops.multiply(total, size), at)
    assert total is not None
    return flat, total


@aten("nonzero", "argwhere")
def nonzero(call: AtenCall, x: Symbol) -> Symbol:
    """The indices of the elements that are not 0, as rows."""
    return ops.stack(true_places(call, x), -1)


@aten("nonzero_numpy")
def nonzero_by_axis(call: AtenCall, x: Symbol) -> list[Symbol]:
    """The indices of the elements that are not 0, one vector per axis."""
    return true_places(call, x)


@aten("where.default")
def where(call: AtenCall, condition: Symbol) -> list[Symbol]:
    """The indices where a condition is true, one vector per axis."""
    return true_places(call, condition)


@aten("masked_select")
def masked_select(call: AtenCall, x: Symbol, mask: Symbol) -> Symbol:
    """The elements where a mask is true."""
    shape = broadcast_shapes("masked_select", x.shape, mask.shape)
    return index(call, broadcast(call, x, shape), [broadcast(call, mask, shape)])
