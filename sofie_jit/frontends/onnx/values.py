"""Values of tensors while a model is translated: computed when the model runs, or known already.

A value is a :class:`Symbol`, or an array that is known before the model runs: an initializer, a constant, or what is
computed from these and from shapes. An array of shapes has the dtype ``object`` if some of its elements are sizes that
are known only at run time (:class:`Dim`); its ONNX type is int64. A tensor of float16 or bfloat16, except small
constants of float16, and a constant of int4 or the like is a :class:`Narrow`. A constant with elements of a type that
is not supported is a :class:`Tensor`, which is refused where it is used.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from sofie_jit.frontends.onnx.model import Tensor
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, SymbolicDim, names_of
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


@dataclass(frozen=True, eq=False)
class Narrow:
    """A tensor of a type that operators do not compute with, as a tensor of a wider type with the same numbers.

    float16 and bfloat16 are float32; int4 and int2 are int8, uint4 and uint2 are uint8.
    """

    value: Symbol | np.ndarray
    dtype: str
    """The type in ONNX."""

    @property
    def shape(self) -> tuple[Dim, ...]:
        """Its shape."""
        return tuple(self.value.shape)


Value = Symbol | np.ndarray | Tensor | Narrow

PACKED = ("int4", "uint4", "int2", "uint2")
"""Types of constants of which several share a byte in the file."""

SMALL = 1 << 12
"""Elements of arrays that are computed while a model is translated; larger ones are weights, which operators and passes
are for."""


@dataclass(frozen=True)
class TensorSequence:
    """A value of ONNX's type sequence."""

    items: list[Any]
    """The tensors, each a :data:`Value`."""
    dtype: str = "sequence"


class Int32Sizes(np.ndarray):
    """An array of objects, some of them open sizes, that is of type int32 in ONNX."""


def of_int32(array: np.ndarray) -> np.ndarray:
    """An array of int64 or of sizes as one of int32."""
    return array.view(Int32Sizes) if array.dtype == object else array.astype(np.int32)


def shape_of(value: Value) -> tuple[Dim, ...]:
    """The shape of a tensor, which may have open sizes."""
    return tuple(value.shape)


def constant(tensor: Tensor) -> Value:
    """A constant of the file as a value."""
    if tensor.stored is None:
        return tensor
    if tensor.dtype == "bfloat16" or (tensor.dtype == "float16" and tensor.stored.size > SMALL):
        return Narrow(tensor.array.astype(np.float32), tensor.dtype)
    if tensor.dtype in PACKED:
        return Narrow(tensor.stored, tensor.dtype)
    return tensor.stored


def dtype_of(value: Value) -> str:
    """The element type of a value in ONNX."""
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return "int32" if isinstance(value, Int32Sizes) else "int64"
        return str(value.dtype.name)
    return value.dtype


def is_number(value: Any) -> bool:
    """Whether a value is an array of numbers that are known while the model is translated, none of them a size."""
    return isinstance(value, np.ndarray) and value.dtype != object


def may_be_sizes(tensor: Symbol) -> bool:
    """Whether a tensor may hold sizes or indices: some integers, or a single number."""
    sizes = [dim for dim in tensor.shape if isinstance(dim, int)]
    if len(sizes) < tensor.rank or math.prod(sizes) > SMALL:
        return False
    return tensor.dtype in ("int32", "int64", "bool") or math.prod(sizes) == 1


def inputs_of(rmodel: RModel, name: str) -> frozenset[str]:
    """The names of the inputs that a tensor depends on."""
    return frozenset(_sources(rmodel, name) & rmodel.inputs.keys())


def sizes_of_value(rmodel: RModel, name: str) -> frozenset[str]:
    """The names of the open sizes that operators have among their attributes from which a tensor is computed."""
    sources = _sources(rmodel, name)
    attributes = [
        value for op in rmodel.operators if sources.intersection(op.outputs) for value in op.attributes().values()
    ]
    return frozenset(names_of(dim for value in attributes for dim in (value if isinstance(value, tuple) else [value])))


def _sources(rmodel: RModel, name: str) -> set[str]:
    """The names of the tensors that a tensor is computed from, and its own."""
    producers = {output: operator for operator in rmodel.operators for output in operator.outputs}
    seen, pending = set(), [name]
    while pending:
        tensor = pending.pop()
        if tensor not in seen:
            seen.add(tensor)
            pending += producers[tensor].inputs if tensor in producers else []
    return seen


def is_parameter(kind: TensorType) -> bool:
    """Whether an input is a number or a vector: a parameter such as a shape or axes, rather than data."""
    return kind.rank < 2


def known_dims(dims: Iterable[Dim]) -> np.ndarray:
    """Sizes as an array: of int64 if all of them are numbers, else of objects, which stand for int64.

    >>> known_dims([2, 3])
    array([2, 3])
    """
    listed = list(dims)
    array = np.empty(len(listed), object)
    array[:] = listed
    return normalized(array)


def normalized(array: np.ndarray) -> np.ndarray:
    """An array of objects as int64 if all of them are numbers."""
    if array.dtype == object and all(isinstance(dim, (int, np.integer)) for dim in array.flat):
        return array.astype(np.int64)
    return array


def dims_of(array: np.ndarray) -> list[Dim]:
    """The sizes in an array of any shape."""
    return [dim if isinstance(dim, SymbolicDim) else int(dim) for dim in array.flat]
