"""Random inputs to run a model on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sofie_jit.ir.dims import BATCH, normalize_axis
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType, is_floating

if TYPE_CHECKING:
    from sofie_jit.models.model import Model

OPEN_SIZE = 16
"""The size of open dimensions except the batch."""

MOVING = {"Cast", "Concat", "Expand", "Identity", "Reshape", "Slice", "Transpose"}
"""Operators whose outputs have only elements of their inputs."""
INDEXING = {"Gather", "GatherElements"}
"""Operators whose second input has indices into the first, along ``axis``."""
UNLIMITED = 2
"""Integers are below this if nothing is known about them: there are at least two categories."""


def random_inputs(model: Model, rows: int, seed: int = 0) -> list[np.ndarray]:
    """One array per input of ``model``, of its type, with ``rows`` rows.

    Floating-point numbers are normally distributed. Indices into a table (an Embedding's) are integers within it,
    whatever their type. Open dimensions get a size that the model accepts; a model that is compiled per size, and for
    given batches only, may have another number of rows.
    """
    return draw_inputs(of_open_size(model).rmodel, rows, seed)[: len(model.input_names)]  # without states


def of_open_size(model: Model) -> Model:
    """``model`` itself, or that for OPEN_SIZE elements if it is compiled per size."""
    from sofie_jit.models.size_model import SizeModel

    return model.for_size(OPEN_SIZE) if isinstance(model, SizeModel) else model


def draw_inputs(rmodel: RModel, rows: int, seed: int = 0) -> list[np.ndarray]:
    """The arrays of :func:`random_inputs` for a network before its compilation.

    >>> rmodel = RModel("tiny")
    >>> rmodel.add_input_tensor_info("x", "float32", (None, 4))
    >>> [array.shape for array in draw_inputs(rmodel, 2)]
    [(2, 4)]
    """
    rng = np.random.default_rng(seed)
    limits = index_limits(rmodel)
    return [_numbers(rng, kind, rows, limits.get(name)) for name, kind in rmodel.inputs.items()]


def _numbers(rng: np.random.Generator, kind: TensorType, rows: int, limit: int | None) -> np.ndarray:
    shape = [d if isinstance(d, int) else rows if d == BATCH else OPEN_SIZE for d in kind.shape]
    if limit is not None or not is_floating(kind.dtype):
        return rng.integers(0, limit or UNLIMITED, shape).astype(kind.dtype)
    return rng.normal(size=shape).astype(kind.dtype)


def index_limits(rmodel: RModel) -> dict[str, int]:
    """Input with indices into tables -> the length of the shortest of these tables."""
    sources = {name: {name} for name in rmodel.inputs}
    limits: dict[str, int] = {}
    for op in rmodel.operators:
        if op.op_type in MOVING:
            moved = set().union(*(sources.get(name, set()) for name in op.inputs))
            sources |= dict.fromkeys(op.outputs, moved)
        elif op.op_type in INDEXING:
            shape = rmodel.tensor_type(op.inputs[0]).shape
            length = shape[normalize_axis(op.op_type, op.attributes()["axis"], len(shape))]
            if isinstance(length, int):
                for name in sources.get(op.inputs[1], ()):
                    limits[name] = min(length, limits.get(name, length))
    return limits
