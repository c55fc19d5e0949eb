"""Activation functions that are not nodes of ONNX, or that have operands there in place of attributes."""

from __future__ import annotations

import math

from sofie_jit.export.onnx.graph import GraphWriter
from sofie_jit.export.onnx.nodes.registry import rule
from sofie_jit.ir.operators import activations as a


@rule("Clip", elementwise=True)
def clip(g: GraphWriter, op: a.Clip, x: str) -> str:
    return clipped(g, x, op.min, op.max, g.dtype(x))


def clipped(g: GraphWriter, x: str, low: float, high: float, dtype: str) -> str:
    """``x`` clipped to [``low``, ``high``]; infinity stands for no limit."""
    limits = [g.number(limit, dtype) if math.isfinite(limit) else "" for limit in (low, high)]
    return g("Clip", x, *limits)


@rule("GeneralRelu", elementwise=True)
def general_relu(g: GraphWriter, op: a.GeneralRelu, x: str) -> str:
    dtype = g.dtype(x)
    threshold = g.number(op.threshold, dtype)
    above = g("Where", g("Greater", x, threshold), x, g.number(0, dtype))
    above = clipped(g, above, op.low, op.high, dtype)
    if op.negative_slope == 0:
        return above
    below = clipped(g, g("Sub", threshold, x), 0, math.inf, dtype)
    return g("Sub", above, g("Mul", below, g.number(op.negative_slope, dtype)))


@rule("Threshold", elementwise=True)
def threshold(g: GraphWriter, op: a.Threshold, x: str) -> str:
    dtype = g.dtype(x)
    return g("Where", g("Greater", x, g.number(op.threshold, dtype)), x, g.number(op.value, dtype))


@rule("SparseSigmoid", elementwise=True)
def sparse_sigmoid(g: GraphWriter, op: a.SparseSigmoid, x: str) -> str:
    dtype = g.dtype(x)
    return clipped(g, g("Mul", g("Add", x, g.number(1, dtype)), g.number(0.5, dtype)), 0, 1, dtype)


@rule("SparsePlus", elementwise=True)
def sparse_plus(g: GraphWriter, op: a.SparsePlus, x: str) -> str:
    dtype = g.dtype(x)
    one = g.number(1, dtype)
    shifted = g("Add", x, one)
    middle = g("Mul", g("Mul", shifted, shifted), g.number(0.25, dtype))
    upper = g("Where", g("Less", x, one), middle, x)
    return g("Where", g("LessOrEqual", x, g.number(-1, dtype)), g.number(0, dtype), upper)


@rule("Squareplus", elementwise=True)
def squareplus(g: GraphWriter, op: a.Squareplus, x: str) -> str:
    dtype = g.dtype(x)
    root = g("Sqrt", g("Add", g("Mul", x, x), g.number(op.b, dtype)))
    return g("Mul", g("Add", x, root), g.number(0.5, dtype))


@rule("TanhShrink", elementwise=True)
def tanh_shrink(g: GraphWriter, op: a.TanhShrink, x: str) -> str:
    return g("Sub", x, g("Tanh", x))


@rule("LogSigmoid", elementwise=True)
def log_sigmoid(g: GraphWriter, op: a.LogSigmoid, x: str) -> str:
    return g("Neg", g("Softplus", g("Neg", x)))


@rule("Swish", elementwise=True)
def swish(g: GraphWriter, op: a.Swish, x: str) -> str:
    scaled = x if op.alpha == 1 else g("Mul", x, g.number(op.alpha, g.dtype(x)))
    return g("Mul", x, g("Sigmoid", scaled))


@rule("Celu", elementwise=True)
def celu(g: GraphWriter, op: a.Celu, x: str) -> str:
    dtype = g.dtype(x)
    if dtype == "float32":  # ONNX's Celu is defined for float32 only
        return g("Celu", x, alpha=op.alpha)
    alpha, one, zero = (g.number(value, dtype) for value in (op.alpha, 1, 0))
    below = g("Mul", g("Sub", g("Exp", g("Div", g("Min", x, zero), alpha)), one), alpha)
    return g("Add", g("Max", x, zero), below)


@rule("Gelu", elementwise=True)
def gelu(g: GraphWriter, op: a.Gelu, x: str) -> str:
    dtype = g.dtype(x)
    one, half = g.number(1, dtype), g.number(0.5, dtype)
    if op.approximate == "tanh":
        cube = g("Mul", g("Mul", g("Mul", x, x), x), g.number(0.044715, dtype))
        curve = g("Tanh", g("Mul", g("Add", x, cube), g.number(math.sqrt(2 / math.pi), dtype)))
    else:
        curve = g("Erf", g("Mul", x, g.number(math.sqrt(0.5), dtype)))
    return g("Mul", g("Mul", x, half), g("Add", curve, one))
