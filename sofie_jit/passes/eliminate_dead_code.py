"""Removes operators, outputs of operators, and weights that no output of the model depends on."""

from __future__ import annotations

from sofie_jit.ir.rmodel import RModel


def eliminate_dead_code(rmodel: RModel) -> RModel:
    """Removes everything that the outputs of the model do not depend on, except inputs."""
    new = rmodel.copy()
    needed = set(new.outputs)
    kept = []
    for op in reversed(new.operators):
        if needed.intersection(op.outputs):
            kept.append(op)
            if len(op.outputs) > 1:
                op.outputs = [name if name in needed else "" for name in op.outputs]
            needed.update(op.inputs)
    new.operators = kept[::-1]
    new.initialized = {name: values for name, values in new.initialized.items() if name in needed}
    return new
