"""Dimensions and shapes: sizes that are known, and names of sizes that are known only at run time."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sofie_jit.errors import ShapeError

Dim = int | str
"""A dimension: a number, the name of one that is known when the model runs, or a product of both (``7*batch``)."""
Shape = tuple[Dim, ...]

BATCH = "batch"
"""The run-time dimension that counts independent rows."""


def format_shape(shape: Shape) -> str:
    """``(batch, 16)``: a shape as messages and listings show it."""
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def split_count(shape: Shape) -> tuple[int, tuple[str, ...]]:
    """The number of elements of ``shape`` as a factor and the run-time dimensions it is multiplied by."""
    factors = [factor for dim in shape for factor in (dim.split("*") if isinstance(dim, str) else [dim])]
    names = [factor for factor in factors if isinstance(factor, str) and not factor.isdecimal()]
    return math.prod(int(factor) for factor in factors if factor not in names), tuple(sorted(names))


def product(*dims: Dim) -> Dim:
    """Several dimensions as one: a number, or a text like ``7*batch`` if some are known only at run time."""
    factor, names = split_count(dims)
    return "*".join([*([str(factor)] if factor != 1 else []), *names]) if names else factor


def bind_shape(shape: Shape, sizes: Mapping[str, int]) -> Shape:
    """``shape`` with numbers for the run-time dimensions that ``sizes`` names."""

    def bound(dim: Dim) -> Dim:
        if not isinstance(dim, str):
            return dim
        factor, names = split_count((dim,))
        return product(factor, *(sizes.get(name, name) for name in names))

    return tuple(map(bound, shape))


def counts_rows(dim: Dim) -> bool:
    """Whether a dimension is the batch, or the batch times other dimensions."""
    return BATCH in split_count((dim,))[1]


def static_dims(operator: str, shape: Shape, what: str = "input") -> tuple[int, ...]:
    """``shape`` if all of it is known, else a :class:`ShapeError` that names the operator."""
    for dim in shape:
        if isinstance(dim, str):
            raise ShapeError(
                f"{operator} needs every dimension of its {what} fixed, but {format_shape(shape)} leaves '{dim}' open"
            )
    return tuple(d for d in shape if isinstance(d, int))


def static_dim(operator: str, shape: Shape, axis: int) -> int:
    """``shape[axis]`` if it is known, else a :class:`ShapeError` that names the operator."""
    dim = shape[axis]
    if isinstance(dim, str):
        raise ShapeError(f"{operator} needs axis {axis} of its input {format_shape(shape)} fixed; '{dim}' is left open")
    return dim


def normalize_axis(operator: str, axis: int, rank: int) -> int:
    """``axis`` counted from the front; a :class:`ShapeError` if a tensor of ``rank`` has no such axis."""
    if not -rank <= axis < rank:
        raise ShapeError(f"{operator}: axis {axis} does not exist in a tensor of {rank} dimensions")
    return axis % rank
