"""Keras's rule for operands of several element types."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from sofie_jit.ir.types import is_floating, is_integer

SUMMED_AS = {"bool": "int32", "int8": "int32", "int16": "int32", "uint8": "uint32", "uint16": "uint32"}
"""Element types -> the type in which Keras adds and multiplies all elements along an axis."""
MULTIPLIED = ("int32", "int64", "float32", "float64")
"""Element types of the products of matrices that TensorFlow has; Keras takes others in floating point and rounds."""


class KerasPromotion:
    """The policy of :mod:`sofie_jit.ir.promotion` by which models of Keras are translated.

    Python numbers are weak: they take the type of the other operand, but a float with integers gives float32, and an
    int with booleans int32. Functions of real numbers take integers in float32, which is also the type of operands
    whose values no integer type holds, uint64 and int64.

    >>> KERAS.result_type(["uint8", "int8"], []), KERAS.result_type(["int64"], ["f"])
    ('int16', 'float32')
    """

    integer = "int32"

    def result_type(self, dtypes: Collection[str], kinds: Collection[str]) -> str:
        if "f" in kinds or any(map(is_floating, dtypes)):
            return "float64" if "float64" in dtypes else "float32"
        integers = [dtype for dtype in dtypes if is_integer(dtype)]
        if not integers:
            return "int32" if "i" in kinds else "bool"
        common = str(np.result_type(*integers))
        return common if is_integer(common) else "float32"

    def floating(self, dtype: str) -> str:
        return dtype if is_floating(dtype) else "float32"


KERAS = KerasPromotion()
