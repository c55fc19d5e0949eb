"""The operators of a network evaluated one after the other in numpy."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import GraphError, ShapeError
from sofie_jit.ir.dims import SymbolicDim, bind_shape
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.requirements import undecided
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType, tensor_type

Fallback = Callable[[ROperator, Sequence[np.ndarray | None]], Any]
"""``(operator, inputs)`` -> the outputs of an operator that has no definition in numpy, an array or a tuple of arrays.
Its attributes have numbers for all dimensions."""


def evaluate_operators(
    rmodel: RModel,
    given: Mapping[str, np.ndarray],
    sizes: Mapping[str, int] | None = None,
    fallback: Fallback | None = None,
) -> list[np.ndarray]:
    """The outputs of a network, in the order of ``rmodel.outputs``, by :meth:`ROperator.evaluate`.

    ``given``: the values of inputs and states, of the types that the network has for them.
    ``sizes``: the run-time dimensions by name.
    ``fallback``: evaluates operators without a definition in numpy.

    Raises NotImplementedError for an operator without a definition in numpy if there is no ``fallback``, ShapeError for
    sizes that do not fit, and OutOfRangeError as operators do.
    """
    rmodel.generate()
    known = dict(sizes or {})
    values = {**rmodel.initialized, **given}
    uses = Counter([*rmodel.outputs, *(name for op in rmodel.operators for name in op.inputs)])
    for op in rmodel.operators:
        types = [_bound(rmodel.tensor_type(name), known) if name else None for name in op.outputs]
        results = _results(op, [values[name] if name else None for name in op.inputs], types, known, fallback)
        for name, kind, result in zip(op.outputs, types, results, strict=False):
            if kind is None:
                continue
            values[name] = np.asarray(result)
            known |= _found(kind, values[name])
            kind = _bound(kind, known)
            if tensor_type(values[name]) != kind:
                raise GraphError(f"{op.op_type} gives {tensor_type(values[name])} for '{name}', which is {kind}")
        uses.subtract(op.inputs)
        for name in op.inputs:
            if not uses[name]:
                values.pop(name, None)
    return [values[name] for name in rmodel.outputs]


def retyped(rmodel: RModel, dtypes: Mapping[str, str]) -> RModel:
    """The same network with the element types that ``dtypes`` gives for others."""
    new = rmodel.copy()

    def converted(kinds: Mapping[str, TensorType]) -> dict[str, TensorType]:
        return {name: TensorType(dtypes.get(t.dtype, t.dtype), t.shape) for name, t in kinds.items()}

    new.inputs, new.states = converted(rmodel.inputs), converted(rmodel.states)
    new.initialized = {
        name: values.astype(dtypes.get(values.dtype.name, values.dtype.name), copy=False)
        for name, values in rmodel.initialized.items()
    }
    for op in new.operators:
        op.retype(dtypes)
    return new


def _found(kind: TensorType, values: np.ndarray) -> dict[str, int]:
    """The sizes that an operator has set, from the shape of its result."""
    pairs = zip(kind.shape, values.shape, strict=False)
    return {str(dim): size for dim, size in pairs if isinstance(dim, SymbolicDim) and dim.names == (str(dim),)}


def _bound(kind: TensorType, sizes: Mapping[str, int]) -> TensorType:
    return TensorType(kind.dtype, bind_shape(kind.shape, sizes))


def _results(
    op: ROperator,
    inputs: Sequence[np.ndarray | None],
    types: Sequence[TensorType | None],
    sizes: Mapping[str, int],
    fallback: Fallback | None,
) -> tuple[Any, ...]:
    op = dataclasses.replace(op)
    op.bind(sizes)
    if isinstance(op, Reshape) and types[0]:  # 0 and -1 do not say how many elements each axis of an empty tensor has
        op.shape, op.allowzero = types[0].shape, True
    try:
        undecided(op.requirements(*(None if values is None else tensor_type(values) for values in inputs)))
    except ShapeError as error:
        raise ShapeError(f"{op.op_type}: {error}") from None
    with np.errstate(all="ignore"):
        try:
            results = op.evaluate(*inputs)
        except NotImplementedError:
            if fallback is None:
                raise
            results = fallback(op, inputs)
    return results if isinstance(results, tuple) else (results,)
