"""Values of tensors that a frontend computes from constants while it translates."""

from __future__ import annotations

import math

import numpy as np

from sofie_jit.ir.dims import names_of, static_dims
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import MAX_TABLE, TensorType, tensor_type


def computed(rmodel: RModel, name: str) -> np.ndarray | None:
    """The values of a tensor that is computed from initialized tensors only; None for another one, and for a large one.

    Exporters compute weights from constants, for example by Transpose or Cast.
    """
    producers = {output: operator for operator in rmodel.operators for output in operator.outputs}
    values: dict[str, np.ndarray | None] = dict(rmodel.initialized)
    pending = [name]
    while pending:
        tensor = pending[-1]
        operator = producers.get(tensor)
        if tensor in values:
            pending.pop()
        elif operator is None:
            return None
        elif missing := [given for given in operator.inputs if given and given not in values]:
            pending += missing
        else:
            inputs = [values[given] if given else None for given in operator.inputs]
            types = operator.infer(*(None if array is None else tensor_type(array) for array in inputs))
            foldable = operator.is_foldable and not operator.size_names and _fits(types)
            results = operator.evaluate(*inputs) if foldable else None
            if results is None:
                return None
            values.update(zip(operator.outputs, results if isinstance(types, tuple) else [results], strict=True))
    return values[name]


def equal_tensors(rmodel: RModel, one: str, other: str, depth: int = 8) -> bool:
    """Whether two tensors are computed in the same way from the same tensors, by at most ``depth`` operators each."""
    if one == other:
        return True
    constants = [rmodel.initialized[name] for name in (one, other) if name in rmodel.initialized]
    if constants:
        first, last = constants[0], constants[-1]
        return len(constants) == 2 and first.dtype == last.dtype and np.array_equal(first, last)
    a, b = (next((op for op in rmodel.operators if name in op.outputs), None) for name in (one, other))
    if a is None or b is None or not depth or not _same_operator(a, b):
        return False
    if a.outputs.index(one) != b.outputs.index(other) or len(a.inputs) != len(b.inputs):
        return False
    return all(equal_tensors(rmodel, *pair, depth - 1) for pair in zip(a.inputs, b.inputs, strict=True))


def _same_operator(a: ROperator, b: ROperator) -> bool:
    values = a.attributes(), b.attributes()
    arrays = any(isinstance(value, np.ndarray) for value in values[0].values())
    return type(a) is type(b) and not arrays and not a.size_names and values[0] == values[1]


def _fits(types: TensorType | tuple[TensorType, ...]) -> bool:
    listed = types if isinstance(types, tuple) else (types,)
    shapes = [kind.shape for kind in listed]
    if names_of(dim for shape in shapes for dim in shape):
        return False
    return all(math.prod(static_dims("a constant", shape)) <= MAX_TABLE for shape in shapes)
