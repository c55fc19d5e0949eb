"""Activation functions: operators of their own, or the fused end of a Gemm or Conv.

Each is a row of C++ functor and attributes; the formulas live in ``kernels/activations.hxx``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sofie_jit.operators.operator import Emitter, ROperator, TensorType, literal


@dataclass(kw_only=True)
class Activation(ROperator):
    """An element-by-element function; input and output have one type and shape."""

    kernels = ("elementwise.hxx",)
    functor_name: ClassVar[str] = ""

    def infer(self, x: TensorType) -> TensorType:
        return x

    def functor(self, dtype: str) -> str:
        """The C++ function object, its parameters as literals of ``dtype``."""
        values = ", ".join(literal(value, dtype) for value in self.attributes().values())
        return f"k::{self.functor_name or self.op_type}{{{values}}}"

    def emit(self, code: Emitter) -> str:
        y = code.outputs[0]
        return code.call("map", code.count(y.shape), code.input(0), code.output(0), self.functor(y.dtype))


def functor(activation: Activation | None, dtype: str) -> str:
    """The C++ function object of a fused activation; None is the identity."""
    return activation.functor(dtype) if activation else "k::Identity{}"


@dataclass(kw_only=True)
class Relu(Activation):
    """``max(x, 0)``."""
