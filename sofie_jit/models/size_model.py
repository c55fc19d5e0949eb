"""SizeModel: networks that are compiled per size of some open dimensions, such as the length of a loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.fixed_sizes import FixedSizes
from sofie_jit.models.described_later import DescribedLater
from sofie_jit.models.model import Model


class SizeModel(DescribedLater):
    """A :class:`Model` of a network whose operators depend on the sizes of some dimensions, compiled for each size.

    :func:`sofie_jit.load` returns one if a Loop or Scan of an ONNX file has as many iterations as an open dimension has
    elements, and if a branch in PyTorch depends on an open size. The 16 most recently used sizes stay compiled.
    Outputs, operators and headers are known for given sizes only: ``load(path, input_shapes=[(None, 20, 3)])`` returns
    the model for them.
    """

    fact = "size"
    unknown = (
        "this is known only for given sizes of {names}: load the model with input_shapes= (on the command line: "
        "--input-shape), or give inputs"
    )

    def _model_for(self, inputs: Sequence[Any]) -> tuple[Model, list[np.ndarray]]:
        """The model for the sizes of ``inputs``, and its arguments."""
        arrays = self._arguments.standardize(inputs)
        found = self._arguments.bind(arrays)
        return self._of_sizes({name: found[name] for name in self._names}), arrays

    def for_size(self, size: int) -> Model:
        """The model in which all dimensions that it depends on have the same size."""
        return self._of_sizes(dict.fromkeys(self._names, size))

    def _of_sizes(self, sizes: dict[str, int]) -> Model:
        key = tuple(sizes.values())
        return self._kept.get(key, lambda: self._compile(FixedSizes(self._translation, sizes), **self._options))
