"""The outputs of a model, in the structure in which the module returned them."""

from __future__ import annotations

from typing import Any

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.pytorch.structure import keyed_names, unused
from sofie_jit.frontends.pytorch.values import Number, known_number
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import COMPUTED


class Results:
    """Collects the outputs of a model; those that are None are left out of the structure."""

    def __init__(self, builder: Builder):
        self.builder = builder
        self.names: list[str] = []
        self.values: list[Symbol | np.ndarray | Number | None] = []
        self.structure: Any = None
        """The nesting of the outputs as JSON, see :func:`sofie_jit.frontends.pytorch.exported.read_file`."""

    def add(self, name: str, value: Symbol | np.ndarray | Number | None) -> None:
        """Adds an output."""
        self.names.append(name)
        self.values.append(value)

    def nest(self, structure: Any) -> None:
        """Nests the outputs as ``structure``; those in dicts are named by their keys, see :func:`keyed_names`."""
        self.structure = structure
        for index, name in keyed_names(structure).items():
            self.names[index] = name

    def finish(self, rmodel: RModel) -> None:
        """Makes the outputs those of the RModel. Raises UnsupportedLayerError for a model that returns no tensor."""
        places: dict[int, int] = {}
        for index, (name, value) in enumerate(zip(self.names, self.values, strict=True)):
            if value is not None:
                places[index] = len(places)
                rmodel.add_output_tensor_names([self._symbol(value, name).name])
                rmodel.output_labels.append(unused(name, rmodel.output_labels))
        if not places:
            raise UnsupportedLayerError("the model returns no tensor")
        if self.structure is None:
            rmodel.output_structure = None
        else:
            rmodel.output_structure = _nested(self.structure, places)

    def _symbol(self, value: Symbol | np.ndarray | Number, name: str) -> Symbol:
        if isinstance(value, Symbol):
            return value
        array = value if isinstance(value, np.ndarray) else known_number(value)
        if array.dtype.name not in COMPUTED:
            raise UnsupportedLayerError(f"the output '{name}' is of type {array.dtype}, which is not supported")
        return self.builder.constant(array, name)


def _nested(structure: Any, places: dict[int, int]) -> Any:
    """A structure without the outputs that are None."""
    if isinstance(structure, int):
        return places[structure]
    if isinstance(structure, list):
        return [_nested(part, places) for part in structure if _is_there(part, places)]
    ((kind, parts),) = structure.items()
    if kind == "tuple":
        return tuple(_nested(part, places) for part in parts if _is_there(part, places))
    return {key: _nested(part, places) for key, part in parts if _is_there(part, places)}


def _is_there(structure: Any, places: dict[int, int]) -> bool:
    return not isinstance(structure, int) or structure in places
