"""Sizes of tensors as numbers."""

from __future__ import annotations

from typing import Any

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, normalize_axis, product
from sofie_jit.ir.types import is_floating


@aten("size.int", "sym_size.int")
def size_of_axis(call: AtenCall, x: Symbol, dim: int) -> Dim:
    """The size of an axis."""
    return x.shape[normalize_axis("size", dim, x.rank)]


@aten("size.default", "sym_size.default")
def size(call: AtenCall, x: Symbol) -> list[Dim]:
    """The sizes of all axes."""
    return list(x.shape)


@aten("numel", "sym_numel")
def numel(call: AtenCall, x: Symbol) -> Dim:
    """The number of elements."""
    return product(*x.shape)


@aten("dim")
def dim(call: AtenCall, x: Symbol) -> int:
    """The number of axes."""
    return x.rank


@aten("is_floating_point")
def is_floating_point(call: AtenCall, x: Symbol) -> bool:
    """Whether the elements are floating-point numbers."""
    return is_floating(x.dtype)


@aten("len")
def length(call: AtenCall, x: Symbol) -> Any:
    """The size of the first axis."""
    return x.shape[0]
