"""Activations and other operations of networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sofie_jit.builder import Symbol
from sofie_jit.operators import activations
from sofie_jit.operators.softmax import GLU, AlongAxis, LogSoftmax, Softmax, Sparsemax
from sofie_jit.ops.core import EPSILON, Axes, apply, axes_of, cast, floating
from sofie_jit.ops.elementwise import divide, maximum
from sofie_jit.ops.reductions import max, mean, norm, var
from sofie_jit.ops.shapes import inverse, one_hot, reshape, transpose


def activation(operator: activations.Activation | AlongAxis, x: Symbol) -> Symbol:
    """``operator`` of ``x``; of integers in float32, but for what is defined for them."""
    exact = x.dtype.startswith("int") and getattr(operator, "integers", False)
    return apply(operator, x if exact else cast(x, floating(x)))


def relu(x: Symbol) -> Symbol:
    """``max(x, 0)``."""
    return activation(activations.Relu(), x)


def sigmoid(x: Symbol) -> Symbol:
    """``1 / (1 + e^-x)``."""
    return activation(activations.Sigmoid(), x)


def softplus(x: Symbol) -> Symbol:
    """``log(1 + e^x)``."""
    return activation(activations.Softplus(), x)


def silu(x: Symbol) -> Symbol:
    """``x * sigmoid(x)``."""
    return activation(activations.Swish(), x)


def leaky_relu(x: Symbol, negative_slope: float = 0.2) -> Symbol:
    """``x``, and ``negative_slope * x`` below 0."""
    return activation(activations.LeakyRelu(alpha=negative_slope), x)


def elu(x: Symbol, alpha: float = 1.0) -> Symbol:
    """``x``, and ``alpha * (e^x - 1)`` below 0."""
    return activation(activations.Elu(alpha=alpha), x)


def celu(x: Symbol, alpha: float = 1.0) -> Symbol:
    """``x``, and ``alpha * (e^(x / alpha) - 1)`` below 0."""
    return activation(activations.Celu(alpha=alpha), x)


def gelu(x: Symbol, approximate: bool = True) -> Symbol:
    """``x * P(X <= x)`` for a normally distributed X, by default as ``keras.ops`` has it: through tanh."""
    return activation(activations.Gelu(approximate="tanh" if approximate else "none"), x)


def hard_shrink(x: Symbol, threshold: float = 0.5) -> Symbol:
    """0 on [-``threshold``, ``threshold``], else ``x``."""
    return activation(activations.Shrink(lambd=threshold, bias=0.0), x)


def soft_shrink(x: Symbol, threshold: float = 0.5) -> Symbol:
    """0 on [-``threshold``, ``threshold``], else ``x`` nearer to 0 by ``threshold``."""
    return activation(activations.Shrink(lambd=threshold, bias=threshold), x)


def squareplus(x: Symbol, b: float = 4) -> Symbol:
    """``(x + sqrt(x^2 + b)) / 2``."""
    return activation(activations.Squareplus(b=b), x)


def threshold(x: Symbol, threshold: float, default_value: float) -> Symbol:
    """``x`` above ``threshold``, else ``default_value``."""
    return activation(activations.Threshold(threshold=threshold, value=default_value), x)


def _along_axes(operator: Callable[..., AlongAxis], x: Symbol, axis: Axes) -> Symbol:
    x = cast(x, floating(x))
    if isinstance(axis, int):
        return apply(operator(axis=axis), x)
    axes = axes_of(x, axis)
    order = [a for a in range(x.rank) if a not in axes] + axes
    moved = transpose(x, order)
    rows = reshape(moved, (*moved.shape[: -len(axes)], -1))
    return transpose(reshape(apply(operator(axis=-1), rows), moved.shape), inverse(order))


def softmax(x: Symbol, axis: Axes = -1) -> Symbol:
    """``e^x`` divided by its sum along ``axis``; None stands for all axes."""
    return _along_axes(Softmax, x, axis)


def log_softmax(x: Symbol, axis: Axes = -1) -> Symbol:
    """The logarithm of softmax."""
    return _along_axes(LogSoftmax, x, axis)


def sparsemax(x: Symbol, axis: int = -1) -> Symbol:
    """Sparsemax along ``axis``."""
    return apply(Sparsemax(axis=axis), x)


def glu(x: Symbol, axis: int = -1) -> Symbol:
    """The first half of ``x`` along ``axis``, times the sigmoid of the second."""
    return apply(GLU(axis=axis), x)


def moments(x: Symbol, axes: Axes, keepdims: bool = False) -> tuple[Symbol, Symbol]:
    """Mean and variance."""
    return mean(x, axes, keepdims), var(x, axes, keepdims)


def normalize(x: Symbol, axis: Axes = -1, order: Any = 2, epsilon: float | None = None) -> Symbol:
    """``x`` divided by its norm along ``axis``, which counts as ``epsilon`` where it is smaller."""
    x = cast(x, floating(x))
    return divide(x, maximum(norm(x, order, axis, keepdims=True), EPSILON if epsilon is None else epsilon))


def multi_hot(inputs: Symbol, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Symbol:
    """1 at the places that the numbers along the last axis of ``inputs`` count to."""
    places = one_hot(inputs, num_classes, axis, dtype, sparse)
    return places if inputs.rank < 2 else max(places, axis=1)
