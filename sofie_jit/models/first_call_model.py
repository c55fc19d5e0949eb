"""FirstCallModel: networks whose file does not contain the shapes of its inputs, which the first call gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sofie_jit.errors import InputError, OptionError, counted
from sofie_jit.frontends.base import Translation
from sofie_jit.ir.options import Optimize
from sofie_jit.models.arguments import TABLES, OpenShape
from sofie_jit.models.columns import arranged, by_input, is_table
from sofie_jit.models.kept_models import CompiledWhenCalled, KeptModels
from sofie_jit.models.model import Model

if TYPE_CHECKING:
    from sofie_jit.models.columns import Columns
    from sofie_jit.models.description import Description


class FirstCallModel(CompiledWhenCalled):
    """A :class:`Model` that is compiled for the shapes and types of the inputs that it is first called with.

    :func:`sofie_jit.load` returns one for a TorchScript file if ``input_shapes=`` is not given. The first dimension
    stays open if it is the same for all inputs, else that of each input which has the size of the first one. Inputs of
    other shapes are compiled again; the 16 most recently used shapes stay compiled. Descriptions, operators and headers
    are those of the last call; before the first call they raise OptionError.

    ``translation``: the network, of unknown shapes.
    ``compile``: the function that compiles a translation, :func:`sofie_jit.models.compile.compile_translation`.
    """

    def __init__(
        self,
        translation: Translation,
        compile: Callable[..., Model],
        *,
        threads: int | None = None,
        optimize: Optimize = True,
    ):
        self._options = {"threads": threads, "optimize": optimize}
        self._translation = translation
        self._compile = compile
        self._kept = KeptModels(translation.source, "shapes and types of its inputs")
        self._columns: Columns | None = None

    # -- description ---------------------------------------------------------------------------------------------

    @property
    def _last(self) -> Model:
        """The model of the last call."""
        if not self._kept:
            raise OptionError(
                f"the shapes of the inputs of '{self.name}' are not known before the first call. "
                f"{self._translation.describe_inputs()}"
            )
        return self._kept.models[-1]

    @property
    def _description(self) -> Description:  # type: ignore[override]
        return self._last._description

    @property
    def _arguments(self) -> Any:  # type: ignore[override]
        return self._last._arguments

    @property
    def name(self) -> str:
        return self._translation.source

    @property
    def input_names(self) -> list[str]:
        return self._last.input_names

    @property
    def input_shapes(self) -> list[OpenShape]:
        return self._last.input_shapes

    @property
    def input_dtypes(self) -> list[str]:
        return self._last.input_dtypes

    def names_of_inputs(self, count: int) -> list[str]:
        """The names of ``count`` inputs. Raises OptionError if the network has another number."""
        return self._translation.names_of_inputs(count)

    @property
    def columns(self) -> Columns | None:
        """As :attr:`Model.columns`."""
        return self._columns

    @columns.setter
    def columns(self, columns: Columns | None) -> None:
        self._columns = columns
        for model in self._kept.models:
            model.columns = columns

    def describe(self) -> str:
        """Its name, and that of the model of the last call."""
        return self._last.describe() if self._kept else f"{self.name}: compiled for the inputs of the first call"

    def _repr_html_(self) -> str:
        from html import escape

        return self._last._repr_html_() if self._kept else f"<pre>{escape(repr(self))}</pre>"

    def __repr__(self) -> str:
        if self._kept:
            return repr(self._last)
        return f"<sofie_jit.FirstCallModel '{self.name}': compiled for the inputs of the first call>"

    # -- running -------------------------------------------------------------------------------------------------

    def _model_for(self, inputs: Sequence[Any]) -> tuple[Model, list[np.ndarray]]:
        """The model for the shapes of ``inputs``, and the inputs as arrays."""
        arrays = self._arrays(inputs)
        translation = self._translation.for_inputs(arrays)
        key = tuple((str(kind.dtype), *map(str, kind.shape)) for kind in translation.inputs.values())
        return self._kept.get(key, lambda: self._compiled(translation)), arrays

    def _compiled(self, translation: Translation) -> Model:
        model = self._compile(translation, **self._options)
        model.columns = self._columns
        return model

    def _arranged(self, x: Any, columns: Columns | None) -> Any:
        known = self._columns if columns is None else columns
        if known is None:
            return x
        names = self._translation.names_of_inputs(_count_of_inputs(x, known))
        return arranged(x, by_input(known, dict.fromkeys(names, ())), names, exact=columns is None)

    def _has_inputs(self, names: set[str]) -> bool:
        try:
            return names == set(self._translation.names_of_inputs(len(names)))
        except OptionError:  # the network has another number of inputs
            return False

    def _called_with(self, given: Any) -> tuple[Model, Any]:
        return self._model_for([given])

    def _arrays(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        if self._columns is not None:
            inputs = [self._arranged(inputs[0] if len(inputs) == 1 else list(inputs), None)]
        values: Sequence[Any] = inputs
        if len(inputs) == 1 and isinstance(inputs[0], Mapping):
            try:
                names = self._translation.names_of_inputs(len(inputs[0]))
            except OptionError as error:
                raise InputError(f"{self._translation.describe_inputs()}; got {list(inputs[0])}{TABLES}") from error
            if set(inputs[0]) != set(names):
                raise InputError(f"the model's inputs are named {names}; got {list(inputs[0])}{TABLES}")
            values = [inputs[0][name] for name in names]
        elif len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) and any(hasattr(v, "shape") for v in inputs[0]):
            values = inputs[0]
        if not values:
            raise InputError(f"infer needs an array for each input; got {counted(0, 'array')}")
        return [np.asarray(value) for value in values]

    def __reduce__(self) -> tuple[Any, ...]:
        return self._remake(FirstCallModel), (self._translation, self._compile)


def _count_of_inputs(x: Any, columns: Columns) -> int:
    """The number of inputs in the argument of ``infer``; optional inputs at the end may be missing."""
    if isinstance(x, (list, tuple)) and any(hasattr(part, "shape") or is_table(part) for part in x):
        return len(x)
    if isinstance(columns, Mapping):
        return len(x) if isinstance(x, Mapping) and set(columns).issubset(x) else len(columns)
    return 1
