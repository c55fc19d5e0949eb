"""Activation functions: operators of their own, or the fused end of a Gemm or Conv.

Each is a class of attributes, named as in ONNX where ONNX has it; the formulas live in ``kernels/activations.hxx``
under the same names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from sofie_jit.errors import GraphError
from sofie_jit.ir.operators.operator import CPP_TYPES, Emitter, ROperator, TensorType, float_dtype, literal


class Activation(ROperator):
    """An element-by-element function; input and output have one type and shape."""

    kernels = ("elementwise/elementwise.hxx",)
    integers: ClassVar[bool] = False
    """Whether it is defined for integers too."""

    def infer(self, x: TensorType) -> TensorType:
        float_dtype(self.op_type, x, integers=self.integers)
        return x

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The limits if this is ``x``, but ``low`` below the one and ``high`` above the other; NaN stays."""
        return None

    def functor(self, dtype: str) -> str:
        """The C++ function object, its parameters as literals of ``dtype``."""
        values = ", ".join(literal(value, dtype) for value in self.attributes().values())
        return f"k::{self.op_type}<{CPP_TYPES[dtype]}>{{{values}}}" if values else f"k::{self.op_type}{{}}"

    def in_place(self, x: TensorType) -> tuple[int, ...]:
        return (0,)

    def emit(self, code: Emitter) -> str:
        y = code.outputs[0]
        return code.call("map", code.count(y.shape), code.input(0), code.output(0), self.functor(y.dtype))


def functor(activation: Activation | None, dtype: str) -> str:
    """The C++ function object of a fused activation; None is the identity."""
    return activation.functor(dtype) if activation else "k::Identity{}"


def epilogue(code: Emitter, activation: Activation | None, dtype: str) -> str:
    """The struct ``Epilogue`` of ``tile.hxx`` for a fused activation: bounds, or the function that its operator calls.

    All are data, so that one compiled kernel serves every activation.
    """
    cpp = CPP_TYPES[dtype]
    low, high = activation.bounds or (-math.inf, math.inf) if activation else (-math.inf, math.inf)
    function = "nullptr"
    if activation and activation.bounds is None:
        types = ("std::size_t", f"const {cpp} *", f"{cpp} *")
        function = code.function("map", types, activation.functor(dtype))
    return code.struct(f"Epilogue<{cpp}>", literal(low, dtype), literal(high, dtype), function)


# -- piecewise linear ------------------------------------------------------------------------------------------------


class Relu(Activation):
    """``max(x, 0)``."""

    integers = True

    @property
    def bounds(self) -> tuple[float, float]:
        return 0.0, math.inf


@dataclass(kw_only=True)
class LeakyRelu(Activation):
    """``x``, and ``alpha * x`` below 0."""

    alpha: float = 0.01


@dataclass(kw_only=True)
class Clip(Activation):
    """``x`` cut to [``low``, ``high``] (ONNX gives the limits as inputs; here they are constant)."""

    low: float = -math.inf
    high: float = math.inf

    @property
    def bounds(self) -> tuple[float, float]:
        return self.low, self.high


@dataclass(kw_only=True)
class GeneralRelu(Activation):
    """Keras's ReLU with all its options: 0 up to ``threshold``, cut to [``low``, ``high``], and a slope below.

    ``clip(x if x > threshold else 0, low, high) - negative_slope * max(threshold - x, 0)``
    """

    negative_slope: float = 0.0
    threshold: float = 0.0
    low: float = -math.inf
    high: float = math.inf


@dataclass(kw_only=True)
class HardSigmoid(Activation):
    """``alpha * x + beta`` cut to [0, 1]."""

    alpha: float = 0.2
    beta: float = 0.5


class HardSwish(Activation):
    """``x * HardSigmoid(x)`` with alpha 1/6 and beta 1/2."""


@dataclass(kw_only=True)
class Shrink(Activation):
    """0 on [-``lambd``, ``lambd``], ``x - bias`` above and ``x + bias`` below."""

    lambd: float = 0.5
    bias: float = 0.0


@dataclass(kw_only=True)
class Threshold(Activation):
    """``x`` above ``threshold``, else ``value``."""

    threshold: float = 0.0
    value: float = 0.0


class SparseSigmoid(Activation):
    """``(x + 1) / 2`` cut to [0, 1]."""


class SparsePlus(Activation):
    """0 up to -1, ``(x + 1)^2 / 4``, and ``x`` from 1."""


# -- algebraic -------------------------------------------------------------------------------------------------------


class Softsign(Activation):
    """``x / (1 + |x|)``."""


@dataclass(kw_only=True)
class Squareplus(Activation):
    """``(x + sqrt(x^2 + b)) / 2``."""

    b: float = 4.0


# -- of exponentials -------------------------------------------------------------------------------------------------


class Exp(Activation):
    """``e^x``."""


class Tanh(Activation):
    """``tanh(x)``."""


class TanhShrink(Activation):
    """``x - tanh(x)``."""


class Sigmoid(Activation):
    """``1 / (1 + e^-x)``."""


class LogSigmoid(Activation):
    """``log(Sigmoid(x))``."""


class Swish(Activation):
    """``x * Sigmoid(x)``, also called SiLU."""


class Softplus(Activation):
    """``log(1 + e^x)``."""


class Mish(Activation):
    """``x * tanh(Softplus(x))``."""


@dataclass(kw_only=True)
class Elu(Activation):
    """``x``, and ``alpha * (e^x - 1)`` below 0."""

    alpha: float = 1.0


class Selu(Activation):
    """``1.0507 * Elu(x)`` with alpha 1.6733, the constants of self-normalizing networks."""


@dataclass(kw_only=True)
class Celu(Activation):
    """``x``, and ``alpha * (e^(x / alpha) - 1)`` below 0."""

    alpha: float = 1.0


@dataclass(kw_only=True)
class Gelu(Activation):
    """``x * P(X <= x)`` for a normally distributed X; ``approximate`` is "none" or "tanh"."""

    approximate: str = "none"

    def functor(self, dtype: str) -> str:
        functors = {"none": "k::Gelu{}", "tanh": "k::GeluTanh{}"}
        if self.approximate not in functors:
            raise GraphError(f'Gelu: approximate must be "none" or "tanh", got {self.approximate!r}')
        return functors[self.approximate]
