"""What passes ask of a graph, and do to it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from sofie_jit.ir.rmodel import RModel


def uses(rmodel: RModel) -> Counter[str]:
    """How often each tensor is read, being an output of the model counting as once."""
    return Counter([*rmodel.outputs, *(name for op in rmodel.operators for name in op.inputs)])


def add_weight(rmodel: RModel, hint: str, values: Any, dtype: str) -> str:
    """Adds ``values`` as a weight of ``dtype``; its name, which is like ``hint``. Changes ``rmodel``."""
    name = rmodel.unique_name(hint)
    rmodel.initialized[name] = np.asarray(values, dtype)
    return name


def replace_tensor(rmodel: RModel, old: str, new: str) -> None:
    """Lets everything that reads ``old`` read ``new`` instead; changes ``rmodel``."""
    rmodel.outputs = [new if name == old else name for name in rmodel.outputs]
    for op in rmodel.operators:
        op.inputs = [new if name == old else name for name in op.inputs]
