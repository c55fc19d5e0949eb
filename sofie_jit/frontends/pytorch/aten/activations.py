"""Activation functions, softmax and its kin, dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis
from sofie_jit.ir.operators import activations
from sofie_jit.ir.operators.elementwise import PRelu
from sofie_jit.ir.operators.softmax import GLU, AlongAxis, LogSoftmax, Softmax

SIMPLE: dict[tuple[str, ...], Callable[[], activations.Activation]] = {
    ("silu",): activations.Swish,
    ("mish",): activations.Mish,
    ("log_sigmoid",): activations.LogSigmoid,
    ("selu",): activations.Selu,
    ("hardsigmoid",): lambda: activations.HardSigmoid(alpha=1 / 6, beta=0.5),
    ("hardswish",): activations.HardSwish,
}
"""Activations without options."""


def _simple(names: tuple[str, ...], operator: Callable[[], activations.Activation]) -> None:
    @aten(*names)
    def activate(call: AtenCall, x: Symbol) -> Symbol:
        return call.add(operator(), x)


for _names, _operator in SIMPLE.items():
    _simple(_names, _operator)


@aten("relu")
def relu(call: AtenCall, x: Symbol) -> Symbol:
    """``max(x, 0)``."""
    return ops.relu(x)


@aten("relu6")
def relu6(call: AtenCall, x: Symbol) -> Symbol:
    """``x`` limited to [0, 6]."""
    return ops.clip(x, 0.0, 6.0)


@aten("hardtanh")
def hardtanh(call: AtenCall, x: Symbol, min_val: Any, max_val: Any) -> Symbol:
    """``x`` limited to an interval."""
    return ops.clip(x, float(min_val), float(max_val))


@aten("leaky_relu")
def leaky_relu(call: AtenCall, x: Symbol, negative_slope: Any) -> Symbol:
    """``x`` where it is positive, else ``negative_slope * x``."""
    return call.add(activations.LeakyRelu(alpha=float(negative_slope)), x)


@aten("rrelu")
def rrelu(call: AtenCall, x: Symbol, lower: Any, upper: Any, training: bool) -> Symbol:
    """A leaky relu with the mean of the slopes of training."""
    _at_inference(call, training)
    return call.add(activations.LeakyRelu(alpha=(float(lower) + float(upper)) / 2), x)


@aten("prelu", "_prelu_kernel")
def prelu(call: AtenCall, x: Symbol, weight: Symbol) -> Symbol:
    """A leaky relu with a slope per channel."""
    if weight.shape != () and weight.shape != (1,) and x.rank > 1 and weight.rank == 1:
        weight = ops.reshape(weight, (*weight.shape, *[1] * (x.rank - 2)))
    return call.add(PRelu(), x, weight)


@aten("elu")
def elu(call: AtenCall, x: Symbol, alpha: Any, scale: Any, input_scale: Any) -> Symbol:
    """``x`` where it is positive, else ``alpha * (e^x - 1)``."""
    if input_scale != 1:
        call.refuse(f"input_scale={input_scale} is not supported")
    y: Symbol = call.add(activations.Elu(alpha=float(alpha)), x)
    return y if scale == 1 else ops.multiply(y, float(scale))


@aten("celu")
def celu(call: AtenCall, x: Symbol, alpha: Any) -> Symbol:
    """``x`` where it is positive, else ``alpha * (e^(x / alpha) - 1)``."""
    return call.add(activations.Celu(alpha=float(alpha)), x)


@aten("gelu")
def gelu(call: AtenCall, x: Symbol, approximate: str) -> Symbol:
    """``x * P(X <= x)`` for a normally distributed X."""
    return call.add(activations.Gelu(approximate=approximate), x)


@aten("softplus")
def softplus(call: AtenCall, x: Symbol, beta: Any, threshold: Any) -> Symbol:
    """``log(1 + e^(beta x)) / beta``, and ``x`` where ``beta x`` is above the threshold."""
    scaled = x if beta == 1 else ops.multiply(x, float(beta))
    y: Symbol = call.add(activations.Softplus(), scaled)
    y = y if beta == 1 else ops.divide(y, float(beta))
    if threshold >= 20 and x.dtype == "float32":
        return y  # which is x in float32
    return ops.where(ops.greater(scaled, float(threshold)), x, y)


@aten("softshrink")
def softshrink(call: AtenCall, x: Symbol, lambd: Any) -> Symbol:
    """``x`` moved towards 0; NaN stays NaN."""
    return ops.subtract(x, ops.clip(x, -float(lambd), float(lambd)))


@aten("hardshrink")
def hardshrink(call: AtenCall, x: Symbol, lambd: Any) -> Symbol:
    """``x`` where it is outside of [-lambd, lambd], else 0; NaN stays NaN."""
    return ops.where(ops.less_equal(ops.absolute(x), float(lambd)), 0.0, x)


@aten("threshold")
def threshold(call: AtenCall, x: Symbol, threshold: Any, value: Any) -> Symbol:
    """``value`` where ``x`` is at most the threshold, else ``x``; NaN stays NaN."""
    return ops.where(ops.less_equal(*call.promoted(x, threshold)), call.cast(value, x.dtype), x)


@aten("glu")
def glu(call: AtenCall, x: Symbol, dim: int) -> Symbol:
    """The first half along an axis times the sigmoid of the second half."""
    return call.add(GLU(axis=normalize_axis("glu", dim, x.rank)), x)


def _along(call: AtenCall, operator: type[AlongAxis], x: Symbol, dim: int, dtype: Any) -> Symbol:
    x = call.floating(x) if dtype is None else call.cast(x, dtype)
    if x.rank == 0:
        return ops.reshape(call.add(operator(axis=0), ops.reshape(x, (1,))), ())
    return call.add(operator(axis=normalize_axis("softmax", dim, x.rank)), x)


@aten("softmax.int", "special_softmax")
def softmax(call: AtenCall, x: Symbol, dim: int, dtype: Any) -> Symbol:
    """``e^x`` divided by its sum along an axis."""
    return _along(call, Softmax, x, dim, dtype)


@aten("log_softmax.int", "special_log_softmax")
def log_softmax(call: AtenCall, x: Symbol, dim: int, dtype: Any) -> Symbol:
    """The logarithm of softmax."""
    return _along(call, LogSoftmax, x, dim, dtype)


@aten("_softmax")
def softmax_of_core(call: AtenCall, x: Symbol, dim: int, half_to_float: bool) -> Symbol:
    """Softmax of the core operators; ``half_to_float`` is for 16-bit numbers."""
    return _along(call, Softmax, x, dim, None)


@aten("_safe_softmax")
def safe_softmax(call: AtenCall, x: Symbol, dim: int, dtype: Any) -> Symbol:
    """Softmax, and 0 where all elements are -inf."""
    y = _along(call, Softmax, x, dim, dtype)
    return ops.where(ops.all(ops.equal(x, float("-inf")), dim, keepdims=True), 0.0, y)


@aten("_log_softmax")
def log_softmax_of_core(call: AtenCall, x: Symbol, dim: int, half_to_float: bool) -> Symbol:
    """The logarithm of softmax, of the core operators; ``half_to_float`` is for 16-bit numbers."""
    return _along(call, LogSoftmax, x, dim, None)


def _at_inference(call: AtenCall, training: Any) -> None:
    if training:
        call.refuse("it is in training mode: call model.eval() before the model is exported")


@aten("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
def dropout(call: AtenCall, input: Symbol, p: float, train: bool) -> Symbol:
    """The tensor itself, at inference."""
    if p != 0:
        _at_inference(call, train)
    return input


@aten("native_dropout")
def native_dropout(call: AtenCall, input: Symbol, p: float, train: bool | None) -> tuple[Symbol, Symbol]:
    """The tensor itself, at inference, and a mask of ones."""
    if p != 0:
        _at_inference(call, train)
    return input, ops.ones_like(input, "bool")
