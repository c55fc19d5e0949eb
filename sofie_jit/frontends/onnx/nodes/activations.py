"""Activation functions, Softmax and its kin."""

from __future__ import annotations

from collections.abc import Callable

from sofie_jit.frontends.onnx.nodes.registry import OnnxCall, node
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis, product
from sofie_jit.ir.operators import activations
from sofie_jit.ir.operators.activations import Activation
from sofie_jit.ir.operators.softmax import AlongAxis, LogSoftmax, Softmax

ACTIVATIONS: dict[str, tuple[int, Callable[[OnnxCall], Activation]]] = {
    "Relu": (6, lambda call: activations.Relu()),
    "Sigmoid": (6, lambda call: activations.Sigmoid()),
    "Tanh": (6, lambda call: activations.Tanh()),
    "Softplus": (1, lambda call: activations.Softplus()),
    "Softsign": (1, lambda call: activations.Softsign()),
    "HardSwish": (14, lambda call: activations.HardSwish()),
    "Mish": (18, lambda call: activations.Mish()),
    "Elu": (6, lambda call: activations.Elu(alpha=call.number("alpha", 1.0))),
    "Celu": (12, lambda call: activations.Celu(alpha=call.number("alpha", 1.0))),
    "LeakyRelu": (6, lambda call: activations.LeakyRelu(alpha=call.number("alpha", 0.01))),
    "ThresholdedRelu": (10, lambda call: activations.Threshold(threshold=call.number("alpha", 1.0))),
    "HardSigmoid": (
        6,
        lambda call: activations.HardSigmoid(alpha=call.number("alpha", 0.2), beta=call.number("beta", 0.5)),
    ),
    "Shrink": (9, lambda call: activations.Shrink(lambd=call.number("lambd", 0.5), bias=call.number("bias", 0.0))),
    "Gelu": (20, lambda call: activations.Gelu(approximate=call.text("approximate", "none"))),
}
"""Activations: the version in which they took their present form, and the operator of a call."""


def _activation(name: str, since: int, operator: Callable[[OnnxCall], Activation]) -> None:
    @node(name, since=since)
    def handler(call: OnnxCall, x: Symbol) -> Symbol:
        return call.add(operator(call), x)


for _name, (_since, _operator) in ACTIVATIONS.items():
    _activation(_name, _since, _operator)


@node("Selu", since=6)
def selu(call: OnnxCall, x: Symbol) -> Symbol:
    """``gamma * Elu(x)``."""
    alpha, gamma = call.number("alpha", 1.6732632423543772), call.number("gamma", 1.0507009873554805)
    if abs(alpha - 1.6732632423543772) < 1e-6 and abs(gamma - 1.0507009873554805) < 1e-6:
        return call.add(activations.Selu(), x)
    return ops.multiply(call.add(activations.Elu(alpha=alpha), x), gamma)


@node("Swish", since=24)
def swish(call: OnnxCall, x: Symbol) -> Symbol:
    """``x * Sigmoid(alpha * x)``."""
    alpha = call.number("alpha", 1.0)
    return call.add(activations.Swish(), x) if alpha == 1 else ops.multiply(x, ops.sigmoid(ops.multiply(x, alpha)))


@node("Softmax", since=13)
def softmax(call: OnnxCall, x: Symbol) -> Symbol:
    """``e^x`` divided by its sum along an axis."""
    return call.add(Softmax(axis=call.integer("axis", -1)), x)


@node("LogSoftmax", since=13)
def log_softmax(call: OnnxCall, x: Symbol) -> Symbol:
    """The logarithm of Softmax."""
    return call.add(LogSoftmax(axis=call.integer("axis", -1)), x)


@node("Softmax", since=1)
def softmax_of_rows(call: OnnxCall, x: Symbol) -> Symbol:
    """Softmax over an axis and all axes after it."""
    return _of_rows(call, x, Softmax)


@node("LogSoftmax", since=1)
def log_softmax_of_rows(call: OnnxCall, x: Symbol) -> Symbol:
    """LogSoftmax over an axis and all axes after it."""
    return _of_rows(call, x, LogSoftmax)


def _of_rows(call: OnnxCall, x: Symbol, operator: type[AlongAxis]) -> Symbol:
    axis = normalize_axis(call.node.op_type, call.integer("axis", 1), x.rank)
    if axis == x.rank - 1:
        return call.add(operator(axis=-1), x)
    rows = ops.reshape(x, (*x.shape[:axis], product(*x.shape[axis:])))
    return ops.reshape(call.add(operator(axis=-1), rows), x.shape)


@node("Hardmax", since=13)
def hardmax(call: OnnxCall, x: Symbol) -> Symbol:
    """1 for the first largest element along an axis, 0 for the others."""
    return _hardmax(x, normalize_axis("Hardmax", call.integer("axis", -1), x.rank))


@node("Hardmax", since=1)
def hardmax_of_rows(call: OnnxCall, x: Symbol) -> Symbol:
    """Hardmax over an axis and all axes after it."""
    axis = normalize_axis("Hardmax", call.integer("axis", 1), x.rank)
    rows = ops.reshape(x, (*x.shape[:axis], product(*x.shape[axis:])))
    return ops.reshape(_hardmax(rows, axis), x.shape)


def _hardmax(x: Symbol, axis: int) -> Symbol:
    size = x.shape[axis]
    if not isinstance(size, int):
        raise TypeError(f"Hardmax along an axis of unknown size {size}")
    return ops.one_hot(ops.argmax(x, axis), size, axis, x.dtype)
