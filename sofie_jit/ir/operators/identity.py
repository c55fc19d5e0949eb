"""Identity: a copy."""

from __future__ import annotations

import numpy as np

from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType


class Identity(ROperator):
    """``Y = X``, in separate memory; any type and shape."""

    def infer(self, x: TensorType) -> TensorType:
        return x

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x
