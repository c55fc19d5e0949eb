"""ValueModel: networks that are compiled per value of some inputs, such as the axes of a reduction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.models.described_later import DescribedLater
from sofie_jit.models.model import Model


class ValueModel(DescribedLater):
    """A :class:`Model` of a network whose operators depend on the values of some inputs, which is compiled for each.

    :func:`sofie_jit.load` returns one if an input determines the shape of a tensor or how it is computed. The 16 most
    recently used values stay compiled. Outputs, operators and headers are known for given values only:
    ``load(path, values={"axes": [1]})`` returns the model for them.
    """

    fact = "value"
    unknown = (
        "this is known only for given values of the model's input {names}: load the model with values={{...}}, or give "
        "inputs"
    )

    def _model_for(self, inputs: Sequence[Any]) -> tuple[Model, list[np.ndarray]]:
        """The model for the values among ``inputs``, and its arguments."""
        arrays = dict(zip(self.input_names, self._arguments.standardize(inputs), strict=True))
        values = {name: arrays.pop(name) for name in self._names}
        key = tuple((value.shape, value.tobytes()) for value in values.values())
        model = self._kept.get(key, lambda: self._compile(self._translation.with_values(values), **self._options))
        return model, list(arrays.values())
