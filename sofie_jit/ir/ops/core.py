"""Constants, element types and axes: what all other operations are made with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import DtypeError, GraphError
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.operators import elementwise
from sofie_jit.ir.operators.operator import DTYPES, ROperator, normalize_axis

Value = Any
"""A Symbol, a number, an array, or a list of numbers."""
Axes = int | Sequence[int] | None

EPSILON = 1e-7
"""``keras.config.epsilon()``, unless changed."""
_ORDER = ("bool", "int32", "int64", "float32", "float64")
_OTHER_TYPES = {"int": "int32", "float": "float32", "float16": "float32", "bfloat16": "float32"}
"""Names that Keras knows -> the element type they are computed in."""


def builder_of(*values: Value) -> Builder:
    """The builder that the first Symbol among ``values`` belongs to. Raises GraphError if there is none."""
    for value in values:
        if isinstance(value, Symbol):
            return value.builder
    raise GraphError("an operation needs at least one tensor of the model; of constants alone use numpy")


def element_type(name: Any) -> str:
    """A dtype as one of ours. Raises DtypeError."""
    text = str(getattr(name, "name", name))
    text = _OTHER_TYPES.get(text, text)
    if text not in DTYPES:
        raise DtypeError(f"the element type {text} is not supported; supported are {', '.join(DTYPES)}")
    return text


def result_type(*values: Value) -> str:
    """The element type that operations on ``values`` have in Keras."""
    strong = [element_type(value.dtype) for value in values if isinstance(value, (Symbol, np.ndarray, np.generic))]
    weak = [np.asarray(value).dtype.kind for value in values if not isinstance(value, (Symbol, np.ndarray, np.generic))]
    least = "float32" if "f" in weak else "int32" if "i" in weak or "u" in weak else "bool"
    return max([least, *strong], key=_ORDER.index)


def convert(value: Value, dtype: str, builder: Builder) -> Symbol:
    """``value`` as a tensor of ``builder``'s model, of element type ``dtype``."""
    if isinstance(value, Symbol):
        return cast(value, dtype)
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"a constant of type {array.dtype} ({array!r:.60}) is no number")
    return builder.constant(np.ascontiguousarray(array.astype(dtype)).reshape(array.shape))


def promote(*values: Value, dtype: str | None = None) -> list[Symbol]:
    """All ``values`` as tensors of one element type, ``dtype`` or that of :func:`result_type`."""
    builder, kind = builder_of(*values), dtype or result_type(*values)
    return [convert(value, kind, builder) for value in values]


def weight_of(x: Symbol) -> np.ndarray | None:
    """The values of a constant; None for what the model computes."""
    return x.builder.rmodel.initialized.get(x.name)


def apply(operator: ROperator, *inputs: Symbol | None) -> Symbol:
    """``operator`` of ``inputs``, added to the model they belong to; its one output."""
    symbol: Symbol = builder_of(*inputs).add(operator, *inputs)
    return symbol


def floating(*values: Value) -> str:
    """The type in which a function of real numbers takes ``values``."""
    return max(result_type(*values), "float32", key=_ORDER.index)


def cast(x: Symbol, dtype: Any) -> Symbol:
    """``x`` as ``dtype``; float16 and bfloat16 are computed as float32."""
    to = element_type(dtype)
    return x if x.dtype == to else apply(elementwise.Cast(to=to), x)


def convert_to_tensor(x: Symbol, dtype: Any = None) -> Symbol:
    """``x``, as ``dtype`` if that is given."""
    return x if dtype is None else cast(x, dtype)


def identity(x: Symbol) -> Symbol:
    """``x``."""
    return x


def axes_of(x: Symbol, axis: Axes) -> list[int]:
    """``axis`` as ascending axes of ``x`` counted from the front; None is all of them."""
    axes = range(x.rank) if axis is None else [axis] if isinstance(axis, int) else axis
    return sorted({normalize_axis("an operation", a, x.rank) for a in axes})


def countable(x: Symbol) -> Symbol:
    """``x``, truth values as the int32 0 and 1."""
    return cast(x, "int32") if x.dtype == "bool" else x
