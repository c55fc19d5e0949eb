"""Identity: a copy."""

from __future__ import annotations

from sofie_jit.ir.operators.operator import ROperator, TensorType


class Identity(ROperator):
    """``Y = X``, in memory of its own; any type and shape."""

    def infer(self, x: TensorType) -> TensorType:
        return x
