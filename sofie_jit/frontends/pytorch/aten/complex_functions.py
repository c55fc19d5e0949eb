"""Elementary functions, comparisons and norms of complex tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sofie_jit.frontends.pytorch.aten.complex_numbers import absolute, add, angle, as_complex, div, mul, polar, square
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, Handler, complex_rule, of_complex
from sofie_jit.frontends.pytorch.values import Complex
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol

# -- exponentials, logarithms and powers -------------------------------------------------------------------------------


@of_complex("exp")
def exp(call: AtenCall, x: Complex) -> Complex:
    """The exponential function."""
    return polar(call, ops.exp(x.real), x.imag)


@of_complex("exp2", "special_exp2")
def exp2(call: AtenCall, x: Complex) -> Complex:
    """2 to the power of ``x``."""
    return exp(call, mul(call, x, math.log(2)))


@of_complex("expm1", "special_expm1")
def expm1(call: AtenCall, x: Complex) -> Complex:
    """``exp(x) - 1``, also near 0: ``cos y - 1`` is ``-2 sin(y / 2)^2``."""
    half = ops.square(ops.sin(ops.multiply(x.imag, 0.5)))
    real = ops.subtract(ops.multiply(ops.expm1(x.real), ops.cos(x.imag)), ops.multiply(half, 2.0))
    return Complex(real, ops.multiply(ops.exp(x.real), ops.sin(x.imag)))


@of_complex("log")
def log(call: AtenCall, x: Complex) -> Complex:
    """The natural logarithm."""
    return Complex(ops.log(absolute(call, x)), angle(call, x))


@of_complex("log2")
def log2(call: AtenCall, x: Complex) -> Complex:
    """The logarithm to base 2."""
    return div(call, log(call, x), math.log(2))


@of_complex("log10")
def log10(call: AtenCall, x: Complex) -> Complex:
    """The logarithm to base 10."""
    return div(call, log(call, x), math.log(10))


@of_complex("sqrt")
def sqrt(call: AtenCall, x: Complex) -> Complex:
    """The square root with a real part of at least 0."""
    return polar(call, ops.sqrt(absolute(call, x)), ops.multiply(angle(call, x), 0.5))


@of_complex("rsqrt")
def rsqrt(call: AtenCall, x: Complex) -> Complex:
    """``1 / sqrt(x)``."""
    return div(call, 1.0, sqrt(call, x))


@of_complex("pow")
def power(call: AtenCall, x: Any, exponent: Any) -> Complex:
    """``x`` to a power; small integer powers are products."""
    if exponent in (0.5, 2, 3) and not isinstance(exponent, Symbol):
        root = sqrt(call, x) if exponent == 0.5 else square(call, x)
        return mul(call, root, x) if exponent == 3 else root
    if isinstance(exponent, (int, float)):
        return polar(call, ops.power(absolute(call, x), float(exponent)), ops.multiply(angle(call, x), float(exponent)))
    return exp(call, mul(call, log(call, as_complex(call, x, exponent)), exponent))


# -- trigonometric and hyperbolic functions ----------------------------------------------------------------------------


@of_complex("sinh")
def sinh(call: AtenCall, x: Complex) -> Complex:
    """The hyperbolic sine."""
    return Complex(ops.multiply(ops.sinh(x.real), ops.cos(x.imag)), ops.multiply(ops.cosh(x.real), ops.sin(x.imag)))


@of_complex("cosh")
def cosh(call: AtenCall, x: Complex) -> Complex:
    """The hyperbolic cosine."""
    return Complex(ops.multiply(ops.cosh(x.real), ops.cos(x.imag)), ops.multiply(ops.sinh(x.real), ops.sin(x.imag)))


@of_complex("tanh")
def tanh(call: AtenCall, x: Complex) -> Complex:
    """The hyperbolic tangent: ``(t + i s c / cosh(x)^2) / (c^2 + t^2 s^2)``.

    ``t`` is that of the real part, ``s`` and ``c`` sine and cosine of the imaginary part; nothing overflows.
    """
    t, s, c = ops.tanh(x.real), ops.sin(x.imag), ops.cos(x.imag)
    size = ops.add(ops.square(c), ops.square(ops.multiply(t, s)))
    decay = ops.square(ops.divide(1.0, ops.cosh(x.real)))
    return Complex(ops.divide(t, size), ops.divide(ops.multiply(ops.multiply(s, c), decay), size))


def _times_i(x: Complex) -> Complex:
    return Complex(ops.negative(x.imag), x.real)


def _over_i(x: Complex) -> Complex:
    return Complex(x.imag, ops.negative(x.real))


@of_complex("sin")
def sin(call: AtenCall, x: Complex) -> Complex:
    """The sine, ``sinh(i x) / i``."""
    return _over_i(sinh(call, _times_i(x)))


@of_complex("cos")
def cos(call: AtenCall, x: Complex) -> Complex:
    """The cosine, ``cosh(i x)``."""
    return cosh(call, _times_i(x))


@of_complex("tan")
def tan(call: AtenCall, x: Complex) -> Complex:
    """The tangent, ``tanh(i x) / i``."""
    return _over_i(tanh(call, _times_i(x)))


@of_complex("sigmoid", "special_expit")
def sigmoid(call: AtenCall, x: Complex) -> Complex:
    """``1 / (1 + exp(-x))``, which is ``(1 + tanh(x / 2)) / 2``."""
    return mul(call, add(call, tanh(call, mul(call, x, 0.5)), 1.0, 1), 0.5)


@of_complex("silu")
def silu(call: AtenCall, x: Complex) -> Complex:
    """``x sigmoid(x)``."""
    return mul(call, x, sigmoid(call, x))


# -- comparisons, signs and norms --------------------------------------------------------------------------------------


@of_complex("sgn")
def sgn(call: AtenCall, x: Complex) -> Complex:
    """``x / |x|``, 0 for 0."""
    size = absolute(call, x)
    return div(call, x, ops.where(ops.equal(size, 0), 1.0, size))


@of_complex("eq")
def eq(call: AtenCall, x: Any, other: Any) -> Symbol:
    """Whether both parts are equal."""
    a, b = as_complex(call, x, other), as_complex(call, other, x)
    return ops.logical_and(ops.equal(a.real, b.real), ops.equal(a.imag, b.imag))


@of_complex("ne", "not_equal")
def ne(call: AtenCall, x: Any, other: Any) -> Symbol:
    """Whether a part differs."""
    return ops.logical_not(eq(call, x, other))


@of_complex("isnan")
def isnan(call: AtenCall, x: Complex) -> Symbol:
    """Whether a part is NaN."""
    return ops.logical_or(ops.isnan(x.real), ops.isnan(x.imag))


@of_complex("isinf")
def isinf(call: AtenCall, x: Complex) -> Symbol:
    """Whether a part is infinite."""
    return ops.logical_or(ops.isinf(x.real), ops.isinf(x.imag))


@of_complex("isfinite")
def isfinite(call: AtenCall, x: Complex) -> Symbol:
    """Whether both parts are finite."""
    return ops.logical_and(ops.isfinite(x.real), ops.isfinite(x.imag))


def _of_magnitudes(call: AtenCall, handler: Handler, given: Mapping[str, Any]) -> Any:
    return call.run(handler, {**given, "self": absolute(call, given["self"])})


complex_rule(_of_magnitudes, "norm", "linalg_vector_norm")
