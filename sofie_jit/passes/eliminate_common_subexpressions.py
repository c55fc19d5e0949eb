"""Computes common subexpressions once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.uses import replace_tensor

SMALL = 16
"""Maximum number of elements of constants that are compared by value; larger ones, such as weights, by name."""


def eliminate_common_subexpressions(rmodel: RModel) -> RModel:
    """Removes operators that have the type, the attributes and the inputs of an earlier operator.

    Operators that compute an output of the model are kept, because outputs keep their names.
    """
    new = rmodel.copy()
    outputs = set(new.outputs)
    first: dict[Hashable, ROperator] = {}
    kept = []
    for op in new.operators:
        same = first.setdefault(_key(new, op), op)
        names = [(name, other) for name, other in zip(op.outputs, same.outputs, strict=True) if name]
        if same is op or outputs.intersection(op.outputs) or not all(other for _, other in names):
            kept.append(op)
            continue
        for name, other in names:
            replace_tensor(new, name, other)
    new.operators = kept
    return new


def _key(model: RModel, op: ROperator) -> Hashable:
    """A key that is equal for operators that compute the same result."""
    inputs = []
    for name in op.inputs:
        values = model.initialized.get(name)
        inputs.append(name if values is None or values.size > SMALL else _frozen(values))
    return type(op), _frozen(op.attributes()), tuple(inputs), len(op.outputs)


def _frozen(value: Any) -> Hashable:
    if isinstance(value, np.ndarray):
        return value.dtype.name, value.shape, value.tobytes()
    if isinstance(value, dict):
        return tuple((key, _frozen(part)) for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(_frozen, value))
    if isinstance(value, ROperator):  # an activation that has been fused
        return type(value), _frozen(value.attributes())
    if isinstance(value, RModel):  # the body of a loop: two of them are not compared
        return id(value)
    return repr(value)  # tells 0.0 from -0.0, and 1 from True
