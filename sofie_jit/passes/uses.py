"""What passes ask of a graph."""

from __future__ import annotations

from collections import Counter

from sofie_jit.rmodel import RModel


def uses(rmodel: RModel) -> Counter[str]:
    """How often each tensor is read, being an output of the model counting as once."""
    return Counter([*rmodel.outputs, *(name for op in rmodel.operators for name in op.inputs)])


def replace_tensor(rmodel: RModel, old: str, new: str) -> None:
    """Lets everything that reads ``old`` read ``new`` instead; changes ``rmodel``."""
    rmodel.outputs = [new if name == old else name for name in rmodel.outputs]
    for op in rmodel.operators:
        op.inputs = [new if name == old else name for name in op.inputs]
