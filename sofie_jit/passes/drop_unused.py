"""Operators and weights that no output depends on disappear."""

from __future__ import annotations

from sofie_jit.rmodel import RModel


def drop_unused(rmodel: RModel) -> RModel:
    """The model without what its outputs do not need; its inputs stay."""
    new = rmodel.copy()
    needed = set(new.outputs)
    kept = []
    for op in reversed(new.operators):
        if needed.intersection(op.outputs):
            kept.append(op)
            needed.update(op.inputs)
    new.operators = kept[::-1]
    new.initialized = {name: values for name, values in new.initialized.items() if name in needed}
    return new
