"""Types of a model's inputs, and the names of their open dimensions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.base import Problems
from sofie_jit.frontends.pytorch.expressions import size
from sofie_jit.frontends.pytorch.model import Input
from sofie_jit.ir.dims import BATCH, Dim, SymbolicDim
from sofie_jit.ir.types import COMPUTED, TensorType


def input_types(inputs: Sequence[Input]) -> dict[str, TensorType]:
    """Name -> type of the inputs.

    The first open dimension in front is the batch, wherever it occurs; others keep their names in the file.

    Raises UnsupportedLayerError for an input of a type that is not supported, or with a size that is computed from
    others.
    """
    problems = Problems()
    shapes = {given.name: [n if isinstance(n, int) else size(n) for n in given.sizes] for given in inputs}
    names = dimension_names(shapes.values())
    types = {}
    for given in inputs:
        with problems.collected():
            types[given.name] = _type(given, shapes[given.name], names)
    problems.raise_all()
    return types


def _type(given: Input, shape: Sequence[Dim], names: dict[str, Dim]) -> TensorType:
    label = f"input '{given.name}' ({given.dtype})"
    if given.dtype not in COMPUTED:
        raise UnsupportedLayerError(f"{label}: inputs must be of type {', '.join(COMPUTED)}")
    for dim in shape:
        if isinstance(dim, SymbolicDim) and str(dim) not in names:
            raise UnsupportedLayerError(
                f"{label}: its size {dim} is computed from another size; export the model with independent dimensions"
            )
    return TensorType(given.dtype, tuple(names[str(dim)] if isinstance(dim, SymbolicDim) else dim for dim in shape))


def dimension_names(shapes: Iterable[Sequence[Dim]]) -> dict[str, Dim]:
    """Name of a size in the file -> dimension; the first one in front is the batch."""
    listed = list(shapes)
    names: dict[str, Dim] = {}
    front = next((shape[0] for shape in listed if shape and isinstance(shape[0], SymbolicDim)), None)
    if front is not None and front.names == (str(front),):
        names[str(front)] = BATCH
    for shape in listed:
        for dim in shape:
            if isinstance(dim, SymbolicDim) and dim.names == (str(dim),) and str(dim) not in names:
                names[str(dim)] = SymbolicDim(_identifier(str(dim), {str(BATCH), *map(str, names.values())}))
    return names


def _identifier(text: str, taken: set[str]) -> str:
    """``text`` as an identifier that is not ``taken``."""
    hint = re.sub(r"\W+", "_", text, flags=re.ASCII)[:50]
    name, number = hint, 1
    while name in taken:
        number += 1
        name = f"{hint}_{number}"
    return name
