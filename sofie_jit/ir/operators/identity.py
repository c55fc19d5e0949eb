"""Identity: a copy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rows import Rows
from sofie_jit.ir.types import TensorType


class Identity(ROperator):
    """``Y = X``, in separate memory; any type and shape."""

    def infer(self, x: TensorType) -> TensorType:
        return x

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        return rows[0]

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x
