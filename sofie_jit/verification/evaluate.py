"""A network evaluated in numpy, operator by operator, independently of the compiled kernels."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import GraphError, ShapeError
from sofie_jit.ir.dims import SymbolicDim, bind_shape, static_dims
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.requirements import undecided
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType, tensor_type
from sofie_jit.models.arguments import Arguments

Fallback = Callable[[ROperator, Sequence[np.ndarray | None]], Any]
"""``(operator, inputs)`` -> the outputs of an operator that has no definition in numpy, an array or a tuple of arrays.
Its attributes have numbers for all dimensions."""


def evaluate(
    rmodel: RModel, inputs: Any, dtype: str | None = None, *, fallback: Fallback | None = None
) -> list[np.ndarray]:
    """The outputs of ``rmodel``, in the order of ``rmodel.outputs``, by :meth:`ROperator.evaluate`.

    ``inputs`` are those of ``Model.infer``: an array, a list of arrays, or a dict of arrays by input name; they are
    converted to the input's type, as there. States are zeros. With ``dtype="float64"``, float32 tensors are computed as
    float64. ``fallback`` evaluates operators without a definition in numpy.

    Raises InputError, ShapeError, DtypeError and OutOfRangeError like ``Model.infer``, and GraphError for an operator
    without a definition in numpy if there is no ``fallback``.

    >>> from sofie_jit.ir.operators.activations import Relu
    >>> rmodel = RModel("tiny")
    >>> rmodel.add_input_tensor_info("x", "float32", (None, 2))
    >>> rmodel.add_operator(Relu(inputs=["x"], outputs=["y"]))
    >>> rmodel.add_output_tensor_names("y")
    >>> evaluate(rmodel, np.array([[-1, 2]]), dtype="float64")
    [array([[0., 2.]])]
    """
    arguments = Arguments(rmodel.inputs)
    arrays = arguments.standardize((inputs,))
    sizes = arguments.bind(arrays)
    model = rmodel if dtype is None else with_dtype(rmodel, dtype)
    model.generate()
    values = dict(model.initialized)
    for (name, declared), array in zip(model.inputs.items(), arrays, strict=True):
        values[name] = array.astype(declared.dtype, copy=False)
    values |= {name: np.zeros(static_dims("a state", t.shape), t.dtype) for name, t in model.states.items()}
    uses = Counter([*model.outputs, *(name for op in model.operators for name in op.inputs)])
    for op in model.operators:
        types = [_bound(model.tensor_type(name), sizes) if name else None for name in op.outputs]
        results = _results(op, [values[name] if name else None for name in op.inputs], types, sizes, fallback)
        for name, kind, result in zip(op.outputs, types, results, strict=False):
            if kind is None:
                continue
            values[name] = np.asarray(result)
            sizes |= _found(kind, values[name])
            kind = _bound(kind, sizes)
            if tensor_type(values[name]) != kind:
                raise GraphError(f"{op.op_type} gives {tensor_type(values[name])} for '{name}', which is {kind}")
        uses.subtract(op.inputs)
        for name in op.inputs:
            if not uses[name]:
                values.pop(name, None)
    return [values[name] for name in model.outputs]


def with_dtype(rmodel: RModel, dtype: str) -> RModel:
    """The same network with every float32 tensor in ``dtype``."""
    dtypes = {"float32": dtype}
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
        except NotImplementedError as error:
            if fallback is None:
                raise GraphError(f"{error}; it can be evaluated only by its kernel") from error
            results = fallback(op, inputs)
    return results if isinstance(results, tuple) else (results,)
