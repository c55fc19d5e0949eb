"""Keras's rule for operands of several element types."""

from __future__ import annotations

from collections.abc import Collection

ORDER = ("bool", "int32", "int64", "float32", "float64")
"""Element types; of two, the later one is the type of the result."""


class KerasPromotion:
    """The policy of :mod:`sofie_jit.ir.promotion` by which models of Keras are translated.

    Python numbers are weak: they take the type of the other operand, but a float beside integers gives float32, and an
    int beside booleans int32. Functions of real numbers take integers in float32.
    """

    integer = "int32"

    def result_type(self, dtypes: Collection[str], kinds: Collection[str]) -> str:
        least = "float32" if "f" in kinds else "int32" if "i" in kinds else "bool"
        return max([least, *dtypes], key=ORDER.index)

    def floating(self, dtype: str) -> str:
        return max(dtype, "float32", key=ORDER.index)


KERAS = KerasPromotion()
