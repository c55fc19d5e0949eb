"""PyTorch's rule for operands of several element types, as ``torch.result_type``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

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
        if isinstance(operand, Symbol):
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
