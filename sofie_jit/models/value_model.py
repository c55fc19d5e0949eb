"""ValueModel: networks that are compiled per value of some inputs, such as the axes of a reduction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sofie_jit.errors import InputError
from sofie_jit.frontends.base import Translation
from sofie_jit.ir.options import Optimize
from sofie_jit.models.arguments import Arguments, OpenShape
from sofie_jit.models.kept_models import CompiledWhenCalled, KeptModels
from sofie_jit.models.model import Model

if TYPE_CHECKING:
    from sofie_jit.models.description import Description


class ValueModel(CompiledWhenCalled):
    """A :class:`Model` of a network whose operators depend on the values of some inputs, which is compiled for each.

    :func:`sofie_jit.load` returns one if an input determines the shape of a tensor or how it is computed. The 16 most
    recently used values stay compiled. Outputs, operators and headers are known for given values only:
    ``load(path, values={"axes": [1]})`` returns the model for them.

    ``translation``: the network before its translation.
    ``names``: the inputs whose values the translation needs.
    ``compile``: the function that compiles a translation, :func:`sofie_jit.models.compile.compile_translation`.
    """

    def __init__(
        self,
        translation: Translation,
        names: Sequence[str],
        compile: Callable[..., Model],
        *,
        threads: int | None = None,
        optimize: Optimize = True,
    ):
        self._options = {"threads": threads, "optimize": optimize}
        self._translation = translation
        self._names = tuple(names)
        self._arguments = Arguments(translation.inputs)
        self._compile = compile
        self._kept = KeptModels(translation.source, f"values of {', '.join(names)}")

    # -- description ---------------------------------------------------------------------------------------------

    @property
    def _description(self) -> Description:  # type: ignore[override]
        listed = ", ".join(f"'{name}'" for name in self._names)
        raise InputError(
            f"this is known only for given values of the model's input {listed}: load the model with values={{...}}"
        )

    @property
    def name(self) -> str:
        return self._translation.source

    @property
    def input_names(self) -> list[str]:
        return list(self._arguments.types)

    @property
    def input_shapes(self) -> list[OpenShape]:
        return list(self._arguments.shapes)

    @property
    def input_dtypes(self) -> list[str]:
        return [kind.dtype for kind in self._arguments.types.values()]

    def describe(self) -> str:
        """Its name, and the inputs that it is compiled for."""
        return f"{self.name}: compiled per value of {', '.join(self._names)}"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"

    def __repr__(self) -> str:
        inputs = ", ".join(f"{n} {shape}" for n, shape in zip(self.input_names, self.input_shapes, strict=True))
        return f"<sofie_jit.ValueModel '{self.name}': {inputs}; compiled per value of {', '.join(self._names)}>"

    # -- running -------------------------------------------------------------------------------------------------

    def _model_for(self, inputs: Sequence[Any]) -> tuple[Model, list[np.ndarray]]:
        """The model for the values among ``inputs``, and its arguments."""
        arrays = dict(zip(self.input_names, self._arguments.standardize(inputs), strict=True))
        values = {name: arrays.pop(name) for name in self._names}
        key = tuple((value.shape, value.tobytes()) for value in values.values())
        model = self._kept.get(key, lambda: self._compile(self._translation.with_values(values), **self._options))
        return model, list(arrays.values())

    def __reduce__(self) -> tuple[Any, ...]:
        return self._remake(ValueModel), (self._translation, self._names, self._compile)
