"""Sizes of tensors as numbers."""

from __future__ import annotations

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, normalize_axis, product


@aten("sym_size.int")
def size_of_axis(call: AtenCall, x: Symbol, dim: int) -> Dim:
    """The size of an axis."""
    return x.shape[normalize_axis("size", dim, x.rank)]


@aten("numel", "sym_numel")
def numel(call: AtenCall, x: Symbol) -> Dim:
    """The number of elements."""
    return product(*x.shape)
