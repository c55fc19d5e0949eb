"""PyTorch's rule for operands of several element types, as ``torch.result_type``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.values import Complex, ComplexNumber, NumberSymbol
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.types import is_floating


def _category(dtype: str) -> int:
    return {"b": 0, "i": 1, "u": 1}.get(np.dtype(dtype).kind, 2)


def _highest(dtypes: Iterable[str]) -> str:
    """The type that holds the values of all types of one category or more; numpy has the same rule as PyTorch."""
    listed = list(dtypes)
    category = max(map(_category, listed))
    return str(np.result_type(*(dtype for dtype in listed if _category(dtype) == category)).name)


def _kind(number: Any) -> str:
    if isinstance(number, NumberSymbol):
        return "float32" if is_floating(number.dtype) else number.dtype
    return "bool" if isinstance(number, bool) else "float32" if isinstance(number, float) else "int64"


def result_type(*operands: Any) -> str:
    """The type in which an operation on tensors and numbers is computed.

    Tensors with axes decide; tensors without axes, and then numbers, only if they are of a higher category (bool,
    integer, floating point).

    >>> result_type(True, 2, 0.5)
    'float32'
    """
    levels: Sequence[list[str]] = ([], [], [])
    for operand in operands:
        if isinstance(operand, Symbol) and not isinstance(operand, NumberSymbol):
            levels[operand.rank == 0].append(operand.dtype)
        else:
            levels[2].append(_kind(operand))
    found = ""
    for dtypes in levels:
        if dtypes:
            highest = _highest(dtypes)
            if not found or _category(highest) > _category(found):
                found = highest
    return found


def with_common_parts(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an operator with complex ones, whose types are decided as in :func:`result_type`.

    Complex and real floating-point tensors without axes get the type of those with axes, and numbers that of either.
    """
    levels: Sequence[list[str]] = ([], [], [])
    for value in given.values():
        for item in value if isinstance(value, list) else [value]:
            if (dtype := _part_type(item)) is not None:
                levels[_level(item)].append(dtype)
    deciding = next((level for level, dtypes in enumerate(levels) if dtypes), 2)
    to = "float32" if deciding == 2 else _highest(levels[deciding])

    def converted(value: Any) -> Any:
        if isinstance(value, list):
            return [converted(item) for item in value]
        if _part_type(value) in (None, to) or (_level(value) <= deciding and not isinstance(value, ComplexNumber)):
            return value
        if isinstance(value, Complex):
            return Complex(ops.cast(value.real, to), ops.cast(value.imag, to))
        return value.astype(to) if isinstance(value, np.ndarray) else ops.cast(value, to)

    return {name: converted(value) for name, value in given.items()}


def _part_type(value: Any) -> str | None:
    """The type of a floating-point tensor, or of the parts of a complex one; None for other arguments."""
    if isinstance(value, Complex):
        return value.real.dtype
    if isinstance(value, Symbol):
        return value.dtype if is_floating(value.dtype) else None
    return value.dtype.name if isinstance(value, np.ndarray) and value.dtype.kind == "f" else None


def _level(value: Any) -> int:
    rank = value.ndim if isinstance(value, np.ndarray) else value.rank
    return 2 if isinstance(value, (ComplexNumber, NumberSymbol)) else int(rank == 0)


class TorchPromotion:
    """The policy of :mod:`sofie_jit.ir.promotion` by which programs of PyTorch are translated."""

    integer = "int64"

    def result_type(self, dtypes: Collection[str], kinds: Collection[str]) -> str:
        numbers = {"f": "float32", "i": "int64", "b": "bool"}
        found = _highest(dtypes) if dtypes else ""
        number = _highest(numbers[kind] for kind in kinds) if kinds else ""
        return number if number and (not found or _category(number) > _category(found)) else found

    def floating(self, dtype: str) -> str:
        return dtype if is_floating(dtype) else "float32"


TORCH = TorchPromotion()
