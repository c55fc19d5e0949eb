"""Types of a model's inputs, the names of their open dimensions, and the limits of these."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from sofie_jit.errors import ModelFileError, UnsupportedLayerError
from sofie_jit.frontends.base import Problems
from sofie_jit.frontends.pytorch.expressions import size
from sofie_jit.frontends.pytorch.model import Input
from sofie_jit.ir.dims import BATCH, Dim, SymbolicDim
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.types import COMPUTED, TensorType

NOT_CHECKED = 2
"""torch.export assumes at least two elements, and yet takes fewer: a minimum up to here is no limit."""


class Inputs:
    """The inputs of an exported program.

    ``types``: name -> type. The first open dimension in front is the batch, wherever it occurs; others keep their names
    in the file. A size that the file computes from another one, such as ``4*s0``, is an open dimension of its own.
    ``limits``: what the open dimensions must satisfy.

    Raises UnsupportedLayerError for an input of a type that is not supported, or with a size that is computed from
    several others.
    """

    def __init__(self, inputs: Sequence[Input], ranges: Iterable[Sequence[Any]] = ()):
        self.limits: list[Requirement] = []
        shapes = {given.name: [n if isinstance(n, int) else size(n) for n in given.sizes] for given in inputs}
        self._sizes = dimension_names(shapes.values())
        self.types: dict[str, TensorType] = {}
        problems = Problems()
        for given in inputs:
            with problems.collected():
                self.types[given.name] = self._type(given, shapes[given.name])
        problems.raise_all()
        for text, low, high in ranges:
            self._limit(self._sizes.get(text), low, high)

    def _type(self, given: Input, shape: Sequence[Dim]) -> TensorType:
        label = f"input '{given.name}' ({given.dtype})"
        if given.dtype not in COMPUTED:
            raise UnsupportedLayerError(f"{label}: inputs must be of type {', '.join(COMPUTED)}")
        return TensorType(given.dtype, tuple(self._dim(label, given.name, axis, dim) for axis, dim in enumerate(shape)))

    def _dim(self, label: str, name: str, axis: int, dim: Dim) -> Dim:
        if not isinstance(dim, SymbolicDim):
            return dim
        return self._sizes[str(dim)] if str(dim) in self._sizes else self._computed(label, f"{name}_{axis}", dim)

    def _computed(self, label: str, name: str, dim: SymbolicDim) -> Dim:
        """The dimension of a size ``factor * symbol + constant``."""
        variable = dim - dim.constant
        factor = variable.known_factor if isinstance(variable, SymbolicDim) else 1
        symbol = variable // factor
        if len(dim.names) != 1 or str(symbol) != dim.names[0]:
            raise UnsupportedLayerError(
                f"{label}: its size {dim} is computed from others; export the model with independent dimensions"
            )
        own = SymbolicDim(_identifier(name, {str(BATCH), *map(str, self._sizes.values())}))
        known = self._sizes.setdefault(str(symbol), (own - dim.constant) // factor)
        self._sizes[str(dim)] = own
        self.limits.append(Requirement(own, "==", known * factor + dim.constant))
        return own

    def _limit(self, dim: Dim | None, low: Any, high: Any) -> None:
        if not isinstance(dim, SymbolicDim):
            return
        if low is not None and high is not None and low > high:
            raise ModelFileError(f"the size {dim} must be at least {low} and at most {high}")
        if low is not None and low > NOT_CHECKED:
            self.limits.append(Requirement(low, "<=", dim))
        if high is not None:
            self.limits.append(Requirement(dim, "<=", high))


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
