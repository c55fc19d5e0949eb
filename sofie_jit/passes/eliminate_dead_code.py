"""Removes operators, outputs of operators, and weights that no output of the model depends on."""

from __future__ import annotations

from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel


def eliminate_dead_code(rmodel: RModel) -> RModel:
    """Removes everything that the outputs of the model do not depend on, except inputs.

    An operator is also needed if it sets a size that a needed operator has among its attributes.
    """
    new = rmodel.copy()
    needed, sizes = set(new.outputs), set[str]()
    kept = []
    for op in reversed(new.operators):
        used = [name if name in needed else "" for name in op.outputs]
        if any(used) or sizes.intersection(_sizes_set(rmodel, op)):
            kept.append(op)
            if len(op.outputs) > 1 and any(used):
                op.outputs = used
            needed.update(op.inputs)
            sizes.update(op.size_names)
    new.operators = kept[::-1]
    new.initialized = {name: values for name, values in new.initialized.items() if name in needed}
    return new


def _sizes_set(rmodel: RModel, op: ROperator) -> set[str]:
    """The run-time dimensions that an operator sets."""
    if type(op).sets_sizes is ROperator.sets_sizes:
        return set()
    return set(op.sets_sizes(*(rmodel.tensor_type(name) if name else None for name in op.inputs)))
