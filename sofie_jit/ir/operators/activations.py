"""Activation functions: operators of their own, or the fused end of a Gemm or Conv.

Each is a class of attributes, named as in ONNX where ONNX has it; the formulas live in ``kernels/activations.hxx``
under the same names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from sofie_jit.ir.operators.operator import ROperator, TensorType, float_dtype


class Activation(ROperator):
    """An element-by-element function; input and output have one type and shape."""

    integers: ClassVar[bool] = False
    """Whether it is defined for integers too."""

    def infer(self, x: TensorType) -> TensorType:
        float_dtype(self.op_type, x, integers=self.integers)
        return x

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The limits if this is ``x``, but ``low`` below the one and ``high`` above the other; NaN stays."""
        return None


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
