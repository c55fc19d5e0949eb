"""Type promotion: the element type in which an operation on operands of several types is computed.

The functions of :mod:`sofie_jit.ops` ask the policy of the :class:`~sofie_jit.ir.builder.Builder` that their operands
belong to, which is chosen by the frontend that makes the Builder. The default is :data:`STRICT`, the rule of ONNX.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from sofie_jit.errors import DtypeError
from sofie_jit.ir.types import is_floating


class Promotion(Protocol):
    """A policy for operands of several element types."""

    @property
    def integer(self) -> str:
        """The dtype of booleans that are counted or added."""

    def result_type(self, dtypes: Collection[str], kinds: Collection[str]) -> str:
        """The dtype to which all operands are converted.

        ``dtypes`` are those of tensors and arrays, ``kinds`` those of Python numbers: "b", "i" and "f" for bool, int
        and float. Raises DtypeError for operands that have no common type.
        """

    def floating(self, dtype: str) -> str:
        """The floating-point dtype in which functions of real numbers, such as ``sqrt``, take ``dtype``.

        Raises DtypeError if there is none.
        """


class Strict:
    """The rule of ONNX: all tensors and arrays have one dtype, and Python numbers take it.

    Nothing else is converted: operands of different types, a float with integers, and real functions of integers
    raise DtypeError.

    >>> STRICT.result_type(["float64"], ["i"])
    'float64'
    """

    integer = "int64"

    def result_type(self, dtypes: Collection[str], kinds: Collection[str]) -> str:
        if len(set(dtypes)) > 1:
            raise DtypeError(f"the operands have different element types, {', '.join(sorted(set(dtypes)))}: add a cast")
        dtype = next(iter(dtypes), "float32" if "f" in kinds else self.integer if "i" in kinds else "bool")
        if ("f" in kinds and not is_floating(dtype)) or ("i" in kinds and dtype == "bool"):
            number = "a float" if "f" in kinds else "an int"
            raise DtypeError(f"{number} and a tensor of type {dtype} have different types: cast the tensor first")
        return dtype

    def floating(self, dtype: str) -> str:
        if not is_floating(dtype):
            raise DtypeError(f"the operation needs floating-point operands, got {dtype}: cast them first")
        return dtype


STRICT = Strict()
