"""Activation functions: operators on their own, or fused to the end of a Gemm or Conv.

Each is a class of attributes, named as in ONNX if ONNX has it. The kernels in
``kernels/elementwise/activations.hxx`` have the same names.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from sofie_jit.ir.operators import _special
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType, float_dtype
from sofie_jit.records import dataclass


class Activation(ROperator):
    """An elementwise function; input and output have the same type and shape.

    Unless stated otherwise, NaN gives NaN.

    >>> Relu().evaluate(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    integers: ClassVar[bool] = False
    """Whether it is defined for integers too."""

    def infer(self, x: TensorType) -> TensorType:
        float_dtype(self.op_type, x, integers=self.integers)
        return x

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError(f"{self.op_type}.evaluate")

    def mixes_places(self, axis: int, x: TensorType) -> bool:
        return False

    @property
    def bounds(self) -> tuple[float, float] | None:
        """``(low, high)`` if the function is ``clip(x, low, high)``, else None."""
        return None


def activated(activation: Activation | None, x: np.ndarray) -> np.ndarray:
    """``activation`` of ``x``; None stands for the identity."""
    return x if activation is None else activation.evaluate(x)


# -- piecewise linear ------------------------------------------------------------------------------------------------


class Relu(Activation):
    """``max(x, 0)``."""

    integers = True

    @property
    def bounds(self) -> tuple[float, float]:
        return 0.0, math.inf

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0)


@dataclass(kw_only=True)
class LeakyRelu(Activation):
    """``x`` from 0 on, ``alpha * x`` below."""

    alpha: float = 0.01

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.where(x < 0, self.alpha * x, x)


@dataclass(kw_only=True)
class Clip(Activation):
    """``min(max(x, self.min), self.max)``.

    >>> Clip(min=0.0, max=6.0).evaluate(np.array([-1.0, 2.0, 7.0]))
    array([0., 2., 6.])
    """

    min: float = -math.inf
    max: float = math.inf

    @property
    def bounds(self) -> tuple[float, float]:
        return self.min, self.max

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.minimum(np.maximum(x, self.min), self.max)


@dataclass(kw_only=True)
class GeneralRelu(Activation):
    """Keras's ReLU with all its options: 0 up to ``threshold``, clipped to [``low``, ``high``], with a slope below.

    ``clip(x if x > threshold else 0, low, high) - negative_slope * max(threshold - x, 0)``. NaN gives NaN only if
    there is a slope, because Keras compares it with the threshold.
    """

    negative_slope: float = 0.0
    threshold: float = 0.0
    low: float = -math.inf
    high: float = math.inf

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        above = np.minimum(np.maximum(np.where(x > self.threshold, x, 0), self.low), self.high)
        if self.negative_slope == 0:
            return above.astype(x.dtype)
        return (above - self.negative_slope * np.maximum(self.threshold - x, 0)).astype(x.dtype)


@dataclass(kw_only=True)
class HardSigmoid(Activation):
    """``clip(alpha * x + beta, 0, 1)``."""

    alpha: float = 0.2
    beta: float = 0.5

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.minimum(np.maximum(self.alpha * x + self.beta, 0), 1)


class HardSwish(Activation):
    """``x * HardSigmoid(x)`` with ``alpha=1/6`` and ``beta=1/2``."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x * np.minimum(np.maximum(x / 6 + 0.5, 0), 1)


@dataclass(kw_only=True)
class Shrink(Activation):
    """0 on [-``lambd``, ``lambd``] and for NaN, ``x - bias`` above, ``x + bias`` below."""

    lambd: float = 0.5
    bias: float = 0.0

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        below = np.where(x < -self.lambd, x + self.bias, np.zeros_like(x))
        return np.where(x > self.lambd, x - self.bias, below)


@dataclass(kw_only=True)
class Threshold(Activation):
    """``x`` above ``threshold``, else ``value``, also for NaN."""

    threshold: float = 0.0
    value: float = 0.0

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.where(x > self.threshold, x, np.asarray(self.value, x.dtype))


class SparseSigmoid(Activation):
    """``clip((x + 1) / 2, 0, 1)``."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return (np.minimum(np.maximum(x, -1), 1) + 1) / 2


class SparsePlus(Activation):
    """0 up to -1, ``(x + 1)^2 / 4`` up to 1, then ``x``."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.where(x <= -1, np.zeros_like(x), np.where(x < 1, np.square(x + 1) / 4, x))


# -- algebraic -------------------------------------------------------------------------------------------------------


class Softsign(Activation):
    """``x / (1 + |x|)``."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x / (1 + np.abs(x))


@dataclass(kw_only=True)
class Squareplus(Activation):
    """``(x + sqrt(x^2 + b)) / 2``."""

    b: float = 4.0

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return (x + np.sqrt(np.square(x) + self.b)) / 2


# -- exponential -----------------------------------------------------------------------------------------------------


class Exp(Activation):
    """``e^x``."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.exp(x)


class Tanh(Activation):
    """``tanh(x)``."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.tanh(x)


class TanhShrink(Activation):
    """``x - tanh(x)``."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x - np.tanh(x)


class Sigmoid(Activation):
    """``1 / (1 + e^-x)``."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return _special.sigmoid(x)


class LogSigmoid(Activation):
    """``log(Sigmoid(x))``."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return -_special.softplus(-x)


class Softplus(Activation):
    """``log(1 + e^x)``."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return _special.softplus(x)


class Mish(Activation):
    """``x * tanh(Softplus(x))``."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x * np.tanh(_special.softplus(x))


@dataclass(kw_only=True)
class _WithAlpha(Activation):
    """Base of activations with a parameter ``alpha`` of 1."""

    alpha: float = 1.0


class Swish(_WithAlpha):
    """``x * Sigmoid(alpha * x)``, also called SiLU."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x * _special.sigmoid(self.alpha * x)


class Elu(_WithAlpha):
    """``x`` from 0 on, ``alpha * (e^x - 1)`` below."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.where(x < 0, self.alpha * np.expm1(np.minimum(x, 0)), x)


class Celu(_WithAlpha):
    """``x`` from 0 on, ``alpha * (e^(x / alpha) - 1)`` below."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.where(x < 0, self.alpha * np.expm1(np.minimum(x, 0) / self.alpha), x)


@dataclass(kw_only=True)
class Selu(Activation):
    """``gamma * x`` from 0 on, ``gamma * alpha * (e^x - 1)`` below.

    The defaults are the constants of self-normalizing networks, of which ONNX's are the nearest float32.
    """

    alpha: float = 1.6732632423543772
    gamma: float = 1.0507009873554805

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.where(x < 0, self.gamma * self.alpha * np.expm1(np.minimum(x, 0)), self.gamma * x)


@dataclass(kw_only=True)
class Gelu(Activation):
    """``x * P(X <= x)`` for a normally distributed X, or with ``approximate="tanh"`` an approximation by tanh."""

    approximate: str = "none"

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        if self.approximate == "tanh":
            return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))) / 2
        return x * _special.normal(x)
