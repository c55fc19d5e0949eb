"""Dimensions and shapes. A dimension is a number, or an expression over sizes that are known only at run time."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable, Mapping

from sofie_jit.errors import ShapeError
from sofie_jit.ir.symbolic import (
    FIX_SIZES,
    Dim,
    SymbolicDim,
    bounds,
    ceil_div,
    is_at_least,
    is_positive,
    maximum,
    minimum,
)

__all__ = [
    "BATCH",
    "FIX_SIZES",
    "Dim",
    "Shape",
    "SymbolicDim",
    "as_dim",
    "as_shape",
    "bind_shape",
    "bounds",
    "ceil_div",
    "counts_rows",
    "format_shape",
    "is_at_least",
    "is_positive",
    "is_single",
    "maximum",
    "minimum",
    "names_of",
    "normalize_axis",
    "product",
    "split_count",
    "static_dim",
    "static_dims",
]

Shape = tuple[Dim, ...]

BATCH = SymbolicDim("batch")
"""The run-time dimension that counts independent rows."""


def is_single(dim: Dim) -> bool:
    """Whether an axis of this size has one element, or none if a size that is known only at run time is 0.

    >>> n = SymbolicDim("n")
    >>> is_single(1), is_single(minimum(n, 1)), is_single(n), is_single(0)
    (True, True, False, False)
    """
    return is_at_least(1, dim) if isinstance(dim, SymbolicDim) else dim == 1


def as_dim(dim: Dim | str) -> Dim:
    """A dimension as users write it: a name stands for a run-time dimension. Raises ShapeError for other texts."""
    if isinstance(dim, str):
        return SymbolicDim(dim)
    return dim if isinstance(dim, SymbolicDim) else operator.index(dim)


def as_shape(shape: Iterable[Dim | str]) -> Shape:
    """A shape as users write it, such as ``("batch", 3)``. Raises ShapeError for a text that is not a name."""
    return tuple(map(as_dim, shape))


def format_shape(shape: Shape) -> str:
    """``(batch, 16)``: a shape as messages and listings show it."""
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


@functools.lru_cache(maxsize=4096)
def product(*dims: Dim | str) -> Dim:
    """Several dimensions as one.

    >>> product("batch", 7, "time")
    7*batch*time
    """
    return math.prod(map(as_dim, dims))


@functools.lru_cache(maxsize=4096)
def split_count(shape: tuple[Dim | str, ...]) -> tuple[int, tuple[SymbolicDim, ...]]:
    """The number of elements of ``shape`` as a number, and run-time sizes that it is multiplied by.

    These are names, then quotients and the like, then at most one sum. Equal counts give equal results.

    >>> n = SymbolicDim("n")
    >>> split_count((6, n // 2, "batch", 2 * n + 4))
    (12, (batch, n//2, n + 2))
    """
    count = product(*shape)
    return count.factors() if isinstance(count, SymbolicDim) else (count, ())


def names_of(shape: Iterable[Dim]) -> tuple[str, ...]:
    """The names of the run-time dimensions in ``shape``, in order of appearance."""
    return tuple(dict.fromkeys(name for dim in shape if isinstance(dim, SymbolicDim) for name in dim.names))


def bind_shape(shape: Iterable[Dim | str], sizes: Mapping[str, Dim]) -> Shape:
    """``shape`` with numbers for the run-time dimensions that ``sizes`` names."""
    return tuple(dim.bind(sizes) if isinstance(dim, SymbolicDim) else dim for dim in as_shape(shape))


def counts_rows(dim: Dim) -> bool:
    """Whether a dimension is the batch, or depends on it, as the batch times other dimensions does."""
    return isinstance(dim, SymbolicDim) and BATCH in dim.names


def static_dims(operator: str, shape: Shape, what: str = "input") -> tuple[int, ...]:
    """``shape`` if all of it is known, else a :class:`ShapeError` that names the operator."""
    for dim in shape:
        if isinstance(dim, SymbolicDim):
            raise ShapeError(
                f"{operator} needs every dimension of its {what} fixed, but {format_shape(shape)} leaves '{dim}' open; "
                f"{FIX_SIZES}"
            )
    return tuple(dim for dim in shape if isinstance(dim, int))


def static_dim(operator: str, shape: Shape, axis: int) -> int:
    """``shape[axis]`` if it is known, else a :class:`ShapeError` that names the operator."""
    dim = shape[axis]
    if isinstance(dim, SymbolicDim):
        raise ShapeError(
            f"{operator} needs axis {axis} of its input {format_shape(shape)} fixed, but '{dim}' is open; {FIX_SIZES}"
        )
    return dim


def normalize_axis(operator: str, axis: int, rank: int) -> int:
    """``axis`` counted from the front; a :class:`ShapeError` if a tensor of ``rank`` has no such axis."""
    if not -rank <= axis < rank:
        raise ShapeError(f"{operator}: axis {axis} does not exist in a tensor of {rank} dimensions")
    return axis % rank
