"""Constants, element types and axes: helpers for the other modules of functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import DtypeError, GraphError
from sofie_jit.ir.dims import SymbolicDim, normalize_axis
from sofie_jit.ir.operators import elementwise
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.sizes import Sizes
from sofie_jit.ir.symbol import GraphBuilder, Symbol
from sofie_jit.ir.types import DTYPES

TensorLike = Any
"""A Symbol, a number, an array, or a list of numbers."""
Axes = int | Sequence[int] | None

EPSILON = 1e-7
"""The default of ``keras.config.epsilon()``."""
_WIDER_TYPES = {"int": "int32", "float": "float32", "float16": "float32", "bfloat16": "float32"}
"""Names of dtypes that are computed in another one, which holds all of their values."""


def builder_of(*values: TensorLike) -> GraphBuilder:
    """The builder of the first Symbol among ``values``. Raises GraphError if there is no Symbol."""
    for value in values:
        if isinstance(value, Symbol):
            return value.builder
    raise GraphError("an operation needs at least one tensor of the network; use numpy for constants alone")


def element_type(name: Any) -> str:
    """The element type in which a dtype, or the name of one, is computed. Raises DtypeError if there is none.

    >>> ops.element_type("float16")
    'float32'
    """
    text = str(getattr(name, "name", name))
    text = _WIDER_TYPES.get(text, text)
    if text not in DTYPES:
        raise DtypeError(f"the element type {text} is not supported; supported are {', '.join(DTYPES)}")
    return text


def result_type(*values: TensorLike, builder: GraphBuilder | None = None) -> str:
    """The dtype in which an operation on ``values`` is computed, by the promotion policy of their builder.

    ``builder`` is needed if there is no Symbol among ``values``.
    """
    typed = (Symbol, np.ndarray, np.generic)
    dtypes = [element_type(value.dtype) for value in values if isinstance(value, typed)]
    kinds = [np.asarray(value).dtype.kind for value in values if not isinstance(value, typed)]
    names = {"u": "i", "O": "i"}  # objects are sizes known only at run time
    return (builder or builder_of(*values)).promotion.result_type(dtypes, [names.get(k, k) for k in kinds])


def convert(value: TensorLike, dtype: str, builder: GraphBuilder) -> Symbol:
    """``value`` as a tensor of type ``dtype`` of the network of ``builder``. Raises DtypeError if it is not numeric.

    Sizes that are known only at run time are computed when the network runs.
    """
    if isinstance(value, Symbol):
        return cast(value, dtype)
    array = np.asarray(value)
    if array.dtype == object and all(isinstance(size, (int, np.integer, SymbolicDim)) for size in array.flat):
        sizes: Symbol = builder.add(Sizes(values=tuple(array.flat)))
        return cast(apply(Reshape(shape=array.shape), sizes), dtype)
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"a constant of type {array.dtype} ({array!r:.60}) is not numeric")
    return builder.constant(np.ascontiguousarray(array.astype(dtype)).reshape(array.shape))


def promote(*values: TensorLike, dtype: str | None = None) -> list[Symbol]:
    """``values`` as tensors of one type: ``dtype``, or by default that of :func:`result_type`.

    At least one value must be a Symbol, else GraphError is raised. Shapes stay as they are.
    """
    builder, to = builder_of(*values), dtype or result_type(*values)
    return [convert(value, to, builder) for value in values]


def weight_of(x: Symbol) -> np.ndarray | None:
    """The values of a constant; None for a tensor that the network computes."""
    return x.builder.rmodel.initialized.get(x.name)


def apply(operator: ROperator, *inputs: Symbol | None) -> Symbol:
    """Appends ``operator``, which has one output, to the network of ``inputs``; returns the output."""
    symbol: Symbol = builder_of(*inputs).add(operator, *inputs)
    return symbol


def floating(*values: TensorLike) -> str:
    """The floating-point dtype in which a function of real numbers takes ``values``, by the promotion policy."""
    return builder_of(*values).promotion.floating(result_type(*values))


def cast(x: Symbol, dtype: Any) -> Symbol:
    """``x`` converted to ``dtype``; float16 and bfloat16 become float32. Raises DtypeError for other dtypes.

    >>> ops.cast(x, "bool")
    <Symbol 'cast' bool (batch, 2, 3)>
    """
    to = element_type(dtype)
    return x if x.dtype == to else apply(elementwise.Cast(to=to), x)


def convert_to_tensor(x: Symbol, dtype: Any = None) -> Symbol:
    """``x``, converted to ``dtype`` unless that is None."""
    return x if dtype is None else cast(x, dtype)


def identity(x: Symbol) -> Symbol:
    """``x`` itself."""
    return x


def normalize_axes(x: Symbol, axis: Axes) -> list[int]:
    """``axis`` as a sorted list of non-negative axes of ``x``; None stands for all axes. Raises ShapeError.

    >>> ops.normalize_axes(x, (-1, 0))
    [0, 2]
    """
    axes = range(x.rank) if axis is None else [axis] if isinstance(axis, int) else axis
    return sorted({normalize_axis("an operation", a, x.rank) for a in axes})


def countable(x: Symbol) -> Symbol:
    """``x``; booleans as 0 and 1, in the promotion policy's dtype of integers."""
    return cast(x, x.builder.promotion.integer) if x.dtype == "bool" else x
