"""Identity: a copy."""

from __future__ import annotations

from sofie_jit.ir.operators.operator import Emitter, ROperator, TensorType


class Identity(ROperator):
    """``Y = X``, in memory of its own; any type and shape."""

    kernels = ("core/memory.hxx",)

    def infer(self, x: TensorType) -> TensorType:
        return x

    def emit(self, code: Emitter) -> str:
        return code.call("copy", code.count(code.outputs[0].shape), code.input(0), code.output(0))
