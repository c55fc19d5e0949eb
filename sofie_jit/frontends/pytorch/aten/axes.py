"""Operators that return their argument with its axes in another order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.frontends.pytorch.aten.aliases import writes
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis


@aten("transpose.int", "transpose_copy.int", "swapaxes", "swapdims")
def transpose(
    call: AtenCall, x: Symbol, dim0: int = 0, dim1: int = 1, axis0: int | None = None, axis1: int | None = None
) -> Symbol:
    """Two axes swapped."""
    if x.rank == 0:
        return x
    first = normalize_axis("transpose", dim0 if axis0 is None else axis0, x.rank)
    second = normalize_axis("transpose", dim1 if axis1 is None else axis1, x.rank)
    return ops.swapaxes(x, first, second)


@writes("transpose", "swapaxes", "swapdims", "t", "numpy_T", "mT")
def transposed(call: AtenCall, x: Symbol, new: Symbol, index: int | None, given: Mapping[str, Any]) -> Symbol:
    """The same two axes swapped."""
    if "dim0" in given or "axis0" in given:
        return transpose(call, new, **{key: value for key, value in given.items() if key != "self"})
    return ops.swapaxes(new, -2 % new.rank, -1 % new.rank) if new.rank > 1 else new


@aten("t", "mT")
def matrix_transpose(call: AtenCall, x: Symbol) -> Symbol:
    """The last two axes swapped."""
    return x if x.rank < 2 else ops.swapaxes(x, x.rank - 2, x.rank - 1)


@aten("numpy_T")
def reverse_axes(call: AtenCall, x: Symbol) -> Symbol:
    """The axes in reverse order."""
    return ops.transpose(x)


@aten("permute", "permute_copy")
def permute(call: AtenCall, x: Symbol, dims: list[int]) -> Symbol:
    """The axes in another order."""
    order = [normalize_axis("permute", axis, x.rank) for axis in dims]
    if sorted(order) != list(range(x.rank)):
        raise ShapeError(f"permute: {dims} is not an order of {x.rank} axes")
    return ops.transpose(x, order)


@writes("permute")
def permuted(call: AtenCall, x: Symbol, new: Symbol, index: int | None, given: Mapping[str, Any]) -> Symbol:
    """The axes in the order of the argument."""
    return ops.transpose(new, np.argsort([axis % x.rank for axis in given["dims"]]).tolist())


@aten("movedim", "moveaxis")
def movedim(call: AtenCall, x: Symbol, source: Any, destination: Any) -> Symbol:
    """Axes moved to other positions."""
    return ops.moveaxis(x, source, destination)
