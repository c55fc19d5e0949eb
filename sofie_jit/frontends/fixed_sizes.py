"""FixedSizes: a model whose open dimensions get fixed sizes before it is translated."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sofie_jit.errors import OptionError, ShapeError, SofieError
from sofie_jit.frontends.base import FactsNeededError, Node, OriginalModel, Translation
from sofie_jit.ir.dims import bind_shape
from sofie_jit.ir.rmodel import InputShapes, RModel, sizes_of

if TYPE_CHECKING:
    import numpy as np

    from sofie_jit.ir.types import TensorType


class FixedSizes(Translation):
    """``translation`` with ``sizes``, by name, for some of its open dimensions."""

    def __init__(self, translation: Translation, sizes: Mapping[str, int]):
        self.format = translation.format  # type: ignore[misc]  # a constant of the class elsewhere
        self.node_word = translation.node_word  # type: ignore[misc]
        self._translation = translation
        self._sizes = dict(sizes)

    @property
    def source(self) -> str:
        return self._translation.source

    @property
    def inputs(self) -> Mapping[str, TensorType]:
        return {
            name: dataclasses.replace(kind, shape=bind_shape(kind.shape, self._sizes))
            for name, kind in self._translation.inputs.items()
        }

    @property
    def input_keys(self) -> Mapping[str, str]:
        return self._translation.input_keys

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._translation.metadata

    def with_values(self, values: Mapping[str, np.ndarray]) -> Translation:
        return FixedSizes(self._translation.with_values(values), self._sizes)

    def nodes(self) -> Sequence[Node]:
        return self._translation.nodes()

    def original(self, source: Any, **options: Any) -> OriginalModel:
        return self._translation.original(source, **options)

    def __call__(self, sizes: Mapping[str, int] | None = None) -> RModel:
        """The RModel. Raises ShapeError if the network cannot have these sizes."""
        given = {**self._sizes, **(sizes or {})}
        try:
            rmodel = self._translation(given)
            rmodel.generate()
            return rmodel
        except FactsNeededError:
            raise
        except SofieError as error:
            found = ", ".join(f"{name} = {size}" for name, size in given.items())
            raise ShapeError(f"the model cannot be computed with {found}: {error}") from error


def with_input_shapes(translation: Translation, shapes: InputShapes | None) -> Translation:
    """``translation`` for inputs of these shapes, one per input or by name; None leaves a dimension open.

    Raises ShapeError if the inputs cannot have these shapes, OptionError for a compiled library.
    """
    if shapes is None:
        return translation
    if translation.library is not None:
        raise OptionError(f"{translation.source} is compiled already: give input_shapes= when the library is made")
    return FixedSizes(translation, sizes_of(translation.inputs, shapes))
