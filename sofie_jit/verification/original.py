"""The reference of ``compare`` and ``bench``: the library that a model comes from, or numpy for a compiled library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import InputError
from sofie_jit.frontends.base import OriginalModel, Translation, leaves
from sofie_jit.ir.dims import static_dims
from sofie_jit.ir.rmodel import RModel
from sofie_jit.models.arguments import open_shape, pack
from sofie_jit.records import dataclass
from sofie_jit.verification.evaluate import evaluate


def original_of(translation: Translation, source: Any, **options: Any) -> OriginalModel:
    """The model of ``translation`` in the library that it comes from; see :meth:`Translation.original`.

    A compiled library contains the network but not the file that it was made from, so numpy evaluates it.
    """
    if translation.library is None:
        return translation.original(source, **options)
    return NumpyModel(translation.source, translation(), translation.library.facts.model["states"])


@dataclass(frozen=True)
class NumpyModel(OriginalModel):
    """A network that is evaluated in numpy, operator by operator, independently of its machine code.

    ``states``: the number of states, which are the last inputs and outputs of the network.
    """

    source: str
    model: RModel
    states: int = 0

    library = "numpy"
    version = f"numpy {np.__version__}"
    most_work = 1e9  # numpy evaluates convolutions some hundred times as slowly

    @property
    def inputs(self) -> list[tuple[str, tuple[int | None, ...]]]:
        """Element type and shape of each input."""
        kinds = list(self.model.inputs.values())[: len(self.model.inputs) - self.states]
        return [(kind.dtype, open_shape(kind.shape)) for kind in kinds]

    @property
    def output_count(self) -> int:
        """The number of output tensors."""
        return len(self.model.outputs) - self.states

    def arranged(self, names: Sequence[str], arrays: Sequence[np.ndarray]) -> Any:
        """A single array, or a dict by input name."""
        return arrays[0] if len(arrays) == 1 else dict(zip(names, arrays, strict=True))

    def evaluate(self, inputs: Any) -> list[np.ndarray]:
        """The outputs in the element types of the network."""
        return self._evaluate(inputs, None)

    def evaluate_in_float64(self, inputs: Any) -> list[np.ndarray]:
        """The outputs with float64 in place of float32."""
        return self._evaluate(inputs, "float64")

    def _evaluate(self, inputs: Any, dtype: str | None) -> list[np.ndarray]:
        names = list(self.model.inputs)
        arrays = [inputs[name] for name in names if name in inputs] if isinstance(inputs, Mapping) else leaves(inputs)
        kinds = [self.model.inputs[name] for name in names[len(names) - self.states :]]
        zeros = [np.zeros(static_dims("a state", kind.shape), kind.dtype) for kind in kinds]
        outputs, structure = evaluate(self.model, [*arrays, *zeros], dtype), self.model.output_structure
        return leaves(pack(structure["outputs"] if self.states else structure, outputs[: self.output_count]))

    def layers(self) -> dict[str, int]:
        """Raises InputError: machine code computes only the outputs of the network."""
        raise InputError(
            f"{self.source} is a compiled library, which computes no outputs of layers: compare the model file that it "
            "was made from"
        )

    def ending_in(self, layers: Mapping[str, int]) -> OriginalModel:
        """Raises InputError, as :meth:`layers`."""
        self.layers()
        return self

    def ways_to_run(self, rows: int) -> dict[str, Callable[[Any], Any]]:
        """The evaluation in numpy."""
        return {"numpy": self.evaluate}
