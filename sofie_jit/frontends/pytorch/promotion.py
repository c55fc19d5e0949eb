"""PyTorch's rule for operands of several element types, as ``torch.result_type``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sofie_jit.ir.builder import Symbol

ORDER = ("bool", "int32", "int64", "float32", "float64")
"""Element types; of two, the later one is the type of the result."""


def _category(dtype: str) -> int:
    return 0 if dtype == "bool" else 1 if dtype.startswith("int") else 2


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
            highest = max(dtypes, key=ORDER.index)
            if not found or _category(highest) > _category(found):
                found = highest
    return found


class TorchPromotion:
    """The policy of :mod:`sofie_jit.ir.promotion` by which programs of PyTorch are translated."""

    integer = "int64"

    def result_type(self, dtypes: Collection[str], kinds: Collection[str]) -> str:
        numbers = {"f": "float32", "i": "int64", "b": "bool"}
        found = max(dtypes, key=ORDER.index, default="")
        number = max((numbers[kind] for kind in kinds), key=ORDER.index, default="")
        return number if number and (not found or _category(number) > _category(found)) else found

    def floating(self, dtype: str) -> str:
        return dtype if dtype.startswith("float") else "float32"


TORCH = TorchPromotion()
