"""Numbers to try a model on, when there are no data at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sofie_jit.ir.operators.operator import BATCH, TensorType, normalize_axis
from sofie_jit.ir.rmodel import RModel

if TYPE_CHECKING:
    from sofie_jit.models.model import Model

OPEN_SIZE = 16
"""The size of open dimensions besides the batch, where the model has no example sizes of its own."""

MOVING = {"Cast", "Concat", "Expand", "Identity", "Reshape", "Slice", "Transpose"}
"""Operators whose results are numbers that they were given."""
INDEXING = {"Gather", "GatherElements"}
"""Operators whose second input points into the first, along ``axis``."""
UNLIMITED = 2
"""Integers are below this where nothing is known of them: categories are at least two."""


def random_inputs(model: Model, rows: int, seed: int = 0) -> list[np.ndarray]:
    """One array per input of ``model``: ``rows`` rows, of its type, and numbers that it can be computed with.

    Floating-point numbers are normally distributed. Numbers that point into a table (an Embedding's) are integers
    within it, whatever their type. Open dimensions get some size that the model can have; where they decide how layers
    are computed, the batch may be one of them, and be other than ``rows``.
    """
    rng = np.random.default_rng(seed)
    limits = index_limits(model.rmodel)
    return [_numbers(rng, kind, rows, limits.get(name)) for name, kind in model.rmodel.inputs.items()]


def _numbers(rng: np.random.Generator, kind: TensorType, rows: int, limit: int | None) -> np.ndarray:
    shape = [d if isinstance(d, int) else rows if d == BATCH else OPEN_SIZE for d in kind.shape]
    if limit is not None or not kind.dtype.startswith("float"):
        return rng.integers(0, limit or UNLIMITED, shape).astype(kind.dtype)
    return rng.normal(size=shape).astype(kind.dtype)


def index_limits(rmodel: RModel) -> dict[str, int]:
    """Inputs that point into tables -> the length of the shortest of them."""
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
