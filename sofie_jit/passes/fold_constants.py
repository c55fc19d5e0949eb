"""Evaluates operators that read only weights while the model is lowered; their results become weights."""

from __future__ import annotations

from math import prod

import numpy as np

from sofie_jit.errors import OutOfRangeError
from sofie_jit.ir.dims import static_dims
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.weights import as_weight

MAX_GROWTH = 1 << 20
"""Maximum number of elements of a result that is larger than its inputs; larger results are not folded."""

EXACT = frozenset({
    # data movement
    "Identity", "Reshape", "Expand", "Transpose", "Concat", "Slice", "Pad", "Upsample", "Gather", "Where",
    # arithmetic that IEEE 754 rounds, one operation per element; CumSum and Sum add in the order of the kernels
    "Add", "Sub", "Mul", "Div", "Sqrt", "Square", "Neg", "Abs", "Max", "Min", "Sum", "CumSum",
    # results without rounding
    "Floor", "Ceil", "Round", "Trunc", "Cast", "Equal", "NotEqual", "Less", "LessOrEqual", "Greater",
    "GreaterOrEqual", "And", "Or", "Xor", "Not",
})  # fmt: skip
"""Operators for which ``evaluate`` gives the same bits as the kernels, so that folding does not change a model's
results. (These are names, because a model that has none of these operators need not import them.)"""


def fold_constants(rmodel: RModel) -> RModel:
    """Evaluates the operators of :data:`EXACT` that read only weights; other operators stay.

    An operator that would raise OutOfRangeError stays too, because the error belongs to the call of the model.
    """
    if not any(op.inputs and all(name in rmodel.initialized for name in op.inputs) for op in rmodel.operators):
        return rmodel
    new = rmodel.copy()
    new.generate()
    kept = []
    for op in rmodel.copy().operators:
        values = _evaluate(op, new) if all(name in new.initialized for name in op.inputs) else None
        if values is None:
            kept.append(op)
        else:
            new.initialized[op.outputs[0]] = values
    new.operators = kept
    return new


def _evaluate(op: ROperator, model: RModel) -> np.ndarray | None:
    """The result of ``op``, or None if it is not folded."""
    known = type(op).__module__.startswith("sofie_jit.ir.operators.") and op.op_type in EXACT
    if not known or op.size_names:  # also operators whose first output is omitted
        return None
    kind = model.tensor_type(op.outputs[0])
    if not all(isinstance(dim, int) for dim in kind.shape):
        return None
    inputs = [model.initialized[name] for name in op.inputs]
    sizes = static_dims(op.op_type, kind.shape)
    if prod(sizes) > max(MAX_GROWTH, sum(values.size for values in inputs)):
        return None
    try:
        with np.errstate(all="ignore"):
            result = op.evaluate(*inputs)
    except OutOfRangeError:
        return None
    return as_weight(np.ascontiguousarray(result, kind.dtype).reshape(sizes))
