"""Elementwise functions that ONNX lacks, or defines for other types."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sofie_jit.export.onnx.graph import GraphWriter
from sofie_jit.export.onnx.nodes.registry import rule
from sofie_jit.ir.operators.elementwise import Cast
from sofie_jit.ir.operators.math import Mod
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.rounding import RoundTo
from sofie_jit.ir.types import is_integer


@rule("Cast", elementwise=True)
def cast(g: GraphWriter, op: Cast, x: str) -> str:
    return g("Cast", x, to=np.dtype(op.to))


@rule("RoundTo", elementwise=True)
def round_to(g: GraphWriter, op: RoundTo, x: str) -> str:
    number = {"float16": 10, "bfloat16": 16}[op.to]  # in TensorProto.DataType; numpy lacks bfloat16
    return g("Cast", g("Cast", x, to=number), to=np.dtype(g.dtype(x)))


@rule("And", "Or", "Xor", elementwise=True)
def logical(g: GraphWriter, op: ROperator, *inputs: str) -> str:
    return g(op.op_type, *(g.cast(x, "bool", g.dtype(x)) for x in inputs))


@rule("NotEqual", elementwise=True)
def not_equal(g: GraphWriter, op: ROperator, a: str, b: str) -> str:
    return g("Not", g("Equal", a, b))


@rule("Square", elementwise=True)
def square(g: GraphWriter, op: ROperator, x: str) -> str:
    return g("Mul", x, x)


@rule("Rsqrt", elementwise=True)
def rsqrt(g: GraphWriter, op: ROperator, x: str) -> str:
    return g("Reciprocal", g("Sqrt", x))


@rule("Cbrt", elementwise=True)
def cbrt(g: GraphWriter, op: ROperator, x: str) -> str:
    return g("Mul", g("Sign", x), g("Pow", g("Abs", x), g.number(1 / 3, g.dtype(x))))


@rule("Exp2", elementwise=True)
def exp2(g: GraphWriter, op: ROperator, x: str) -> str:
    return g("Pow", g.number(2, g.dtype(x)), x)


@rule("Expm1", elementwise=True)
def expm1(g: GraphWriter, op: ROperator, x: str) -> str:
    """With t = tanh(x / 2), ``2 t / (1 - t)`` near 0, where ``e^x - 1`` would cancel."""
    dtype = g.dtype(x)
    one = g.number(1, dtype)
    t = g("Tanh", g("Mul", x, g.number(0.5, dtype)))
    near = g("Div", g("Add", t, t), g("Sub", one, t))
    return g("Where", g("Less", g("Abs", x), one), near, g("Sub", g("Exp", x), one))


@rule("Log1p", elementwise=True)
def log1p(g: GraphWriter, op: ROperator, x: str) -> str:
    """Near 0 ``x log(u) / (u - 1)`` with u = 1 + x as it is rounded, which corrects the rounding (Kahan)."""
    dtype = g.dtype(x)
    one = g.number(1, dtype)
    u = g("Add", x, one)
    log = g("Log", u)
    near = g("Div", g("Mul", x, log), g("Sub", u, one))
    near = g("Where", g("Equal", u, one), x, near)
    return g("Where", g("Less", g("Abs", x), g.number(0.5, dtype)), near, log)


@rule("Log2", "Log10", elementwise=True)
def log_to_base(g: GraphWriter, op: ROperator, x: str) -> str:
    base = 2 if op.op_type == "Log2" else 10
    return g("Mul", g("Log", x), g.number(1 / math.log(base), g.dtype(x)))


@rule("Erfc", elementwise=True)
def erfc(g: GraphWriter, op: ROperator, x: str) -> str:
    return g("Sub", g.number(1, g.dtype(x)), g("Erf", x))


CENTER = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
          -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
TAIL = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
        0.00943887047, 1.00167406, 2.83297682)  # fmt: skip


@rule("Erfinv", elementwise=True)
def erf_inverse(g: GraphWriter, op: ROperator, x: str) -> str:
    """M. Giles, Approximating the erfinv function, GPU Computing Gems Jade Edition (2011), in single precision."""
    dtype = g.dtype(x)
    one, five = g.number(1, dtype), g.number(5, dtype)
    w = g("Neg", g("Log", g("Mul", g("Sub", one, x), g("Add", one, x))))
    center = polynomial(g, g("Sub", w, g.number(2.5, dtype)), CENTER, dtype)
    tail = polynomial(g, g("Sub", g("Sqrt", w), g.number(3, dtype)), TAIL, dtype)
    inside = g("Mul", x, g("Where", g("Less", w, five), center, tail))
    ends = g("Equal", g("Abs", x), one)
    return g("Where", ends, g("Mul", x, g.number(math.inf, dtype)), inside)


def polynomial(g: GraphWriter, x: str, coefficients: Sequence[float], dtype: str) -> str:
    """The polynomial of ``x`` with these coefficients, the highest power first."""
    y = g.number(coefficients[0], dtype)
    for coefficient in coefficients[1:]:
        y = g("Add", g("Mul", y, x), g.number(coefficient, dtype))
    return y


@rule("Trunc", elementwise=True)
def trunc(g: GraphWriter, op: ROperator, x: str) -> str:
    return g("Mul", g("Sign", x), g("Floor", g("Abs", x)))


@rule("Atan2", elementwise=True)
def atan2(g: GraphWriter, op: ROperator, y: str, x: str) -> str:
    dtype = g.dtype(x)
    zero, pi, quarter = (g.number(value, dtype) for value in (0, math.pi, math.pi / 2))
    angle = g("Atan", g("Div", y, x))
    turn = g("Where", g("Less", y, zero), g("Neg", pi), pi)
    left = g("Where", g("Less", x, zero), g("Add", angle, turn), angle)
    vertical = g("Mul", g("Sign", y), quarter)
    return g("Where", g("Equal", x, zero), vertical, left)


@rule("Div", elementwise=True)
def div(g: GraphWriter, op: ROperator, a: str, b: str) -> str:
    """ONNX does not define an integer divided by 0, which ends the process of some runtimes."""
    dtype = g.dtype(a)
    if dtype.startswith("float"):
        return g("Div", a, b)
    zero, one = g.number(0, dtype), g.number(1, dtype)
    none = g("Equal", b, zero)
    return g("Where", none, zero, g("Div", a, g("Where", none, one, b)))


@rule("Pow", elementwise=True)
def power(g: GraphWriter, op: ROperator, a: str, b: str) -> str:
    """ONNX does not define negative powers of integers."""
    dtype = g.dtype(a)
    if dtype.startswith("float"):
        return g("Pow", a, b)
    zero, one, two = (g.number(value, dtype) for value in (0, 1, 2))
    powers = g("Pow", a, g("Max", b, zero))
    if dtype.startswith("uint"):
        return powers
    even = g("Equal", g("Mod", b, two), zero)
    unit = g("Equal", g("Abs", a), one)
    inverse = g("Where", unit, g("Where", even, one, a), zero)
    return g("Where", g("Less", b, zero), inverse, powers)


@rule("Mod", elementwise=True)
def mod(g: GraphWriter, op: Mod, a: str, b: str) -> str:
    """ONNX defines integers modulo 0 not at all, and numbers with ``fmod`` only."""
    dtype = g.dtype(a)
    zero, one = g.number(0, dtype), g.number(1, dtype)
    if is_integer(dtype):
        return g("Mod", a, g("Where", g("Equal", b, zero), one, b), fmod=int(op.fmod))
    rest = g("Mod", a, b, fmod=1)
    if op.fmod:
        return rest
    opposite = g("Less", g("Mul", g("Sign", rest), g("Sign", b)), zero)
    return g("Where", opposite, g("Add", rest, b), rest)


@rule("BitShiftLeft", "BitShiftRight", elementwise=True)
def bit_shift(g: GraphWriter, op: ROperator, a: str, b: str) -> str:
    """ONNX shifts unsigned integers only, so that powers of two from a table multiply or divide signed ones."""
    dtype = g.dtype(a)
    bits = 8 * np.dtype(dtype).itemsize
    left = op.op_type == "BitShiftLeft"
    if np.dtype(dtype).kind == "u":
        return unsigned_shift(g, "LEFT" if left else "RIGHT", a, b, bits)
    count = bits if left else bits - 1
    zero, one = g.number(0, dtype), g.number(1, dtype)
    valid = g("And", g("GreaterOrEqual", b, zero), g("Less", b, g.number(count, dtype)))
    powers = g.constant(np.left_shift(np.ones(count, dtype), np.arange(count, dtype=dtype)))
    places = g("Where", valid, b, zero)
    power = g("Gather", powers, g.cast(places, dtype if dtype in ("int32", "int64") else "int64", dtype))
    if left:
        return g("Where", valid, g("Mul", a, power), zero)
    shifted = g("Div", g("Sub", a, g("Mod", a, power)), power)
    return g("Where", valid, shifted, g("Where", g("Less", a, zero), g("Neg", one), zero))


def unsigned_shift(g: GraphWriter, direction: str, a: str, b: str, bits: int) -> str:
    """A shift by ``bits`` or more, which ONNX does not define, gives zero."""
    if b in g.constants and (g.constants[b] < bits).all():
        return g("BitShift", a, b, direction=direction)
    zero, limit = (g.number(value, g.dtype(b)) for value in (0, bits))
    valid = g("Less", b, limit)
    return g("Where", valid, g("BitShift", a, g("Where", valid, b, zero), direction=direction), zero)
