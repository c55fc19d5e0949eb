"""BitCast: the bits of elements read as another type."""

from __future__ import annotations

import numpy as np

from sofie_jit.errors import DtypeError
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import DTYPES, TensorType
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class BitCast(ROperator):
    """The elements of X with their bits read as the element type ``to``, which has the same size.

    >>> BitCast(to="int32").evaluate(np.array([1.0], np.float32))
    array([1065353216], dtype=int32)
    """

    to: str

    def infer(self, x: TensorType) -> TensorType:
        if self.to not in DTYPES or np.dtype(self.to).itemsize != np.dtype(x.dtype).itemsize:
            raise DtypeError(f"BitCast to {self.to} needs a supported type with elements of its size, got {x}")
        return TensorType(self.to, x.shape)

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        size = np.dtype(self.to).itemsize
        if x.dtype.kind == "f" and x.dtype.itemsize != size:  # an evaluation in float64
            x = x.astype(f"float{8 * size}")
        return np.array(x).view(self.to)
