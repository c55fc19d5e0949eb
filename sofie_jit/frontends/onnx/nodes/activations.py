"""Activation functions, Softmax and its kin."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import direct, node
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis, product
from sofie_jit.ir.operators import activations
from sofie_jit.ir.operators.softmax import AlongAxis, LogSoftmax, Softmax

direct(activations.Relu, activations.Sigmoid, activations.Tanh, since=6)
direct(activations.Elu, activations.LeakyRelu, attributes=["alpha"], since=6)
direct(activations.HardSigmoid, attributes=["alpha", "beta"], since=6)
direct(activations.Softplus, activations.Softsign)
direct(activations.Shrink, attributes=["lambd", "bias"], since=9)
direct(activations.Celu, attributes=["alpha"], since=12)
direct(activations.HardSwish, since=14)
direct(activations.Mish, since=18)
direct(activations.Gelu, attributes=["approximate"], since=20)
direct(Softmax, LogSoftmax, attributes=["axis"], since=13)


@node("Selu", since=6)
def selu(call: OnnxCall, x: Symbol) -> Symbol:
    """``gamma * Elu(x)``."""
    operator, default = call.operator(activations.Selu, "alpha", "gamma"), activations.Selu()
    if np.allclose([operator.alpha, operator.gamma], [default.alpha, default.gamma], rtol=1e-6):  # rounded to float32
        return call.add(default, x)
    return ops.multiply(call.add(activations.Elu(alpha=operator.alpha), x), operator.gamma)


@node("ThresholdedRelu", since=10)
def thresholded_relu(call: OnnxCall, x: Symbol) -> Symbol:
    """``x`` above ``alpha``, else 0."""
    return call.add(activations.Threshold(threshold=call.number("alpha", 1.0)), x)


@node("Softmax")
def softmax_of_rows(call: OnnxCall, x: Symbol) -> Symbol:
    """Softmax over an axis and all axes after it."""
    return _of_rows(call, x, Softmax)


@node("LogSoftmax")
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


@node("Hardmax")
def hardmax_of_rows(call: OnnxCall, x: Symbol) -> Symbol:
    """Hardmax over an axis and all axes after it."""
    axis = normalize_axis("Hardmax", call.integer("axis", 1), x.rank)
    rows = ops.reshape(x, (*x.shape[:axis], product(*x.shape[axis:])))
    return ops.reshape(_hardmax(rows, axis), x.shape)


def _hardmax(x: Symbol, axis: int) -> Symbol:
    return ops.one_hot(ops.argmax(x, axis), x.shape[axis], axis, x.dtype)


@node("Swish", since=24)
def swish(call: OnnxCall, x: Symbol) -> Symbol:
    """``x * sigmoid(alpha x)``."""
    return scaled_swish(call, x, call.number("alpha", 1.0))


@node("SwiGLU", since=28)
def swiglu(call: OnnxCall, a: Symbol, b: Symbol) -> Symbol:
    """``a * sigmoid(alpha a) * b``."""
    return ops.multiply(scaled_swish(call, a, call.number("alpha", 1.0)), b)


def scaled_swish(call: OnnxCall, x: Symbol, alpha: float) -> Symbol:
    """``x * sigmoid(alpha x)``; there is a kernel for ``alpha=1``."""
    return call.add(activations.Swish(), x) if alpha == 1 else ops.multiply(x, ops.sigmoid(ops.multiply(x, alpha)))
