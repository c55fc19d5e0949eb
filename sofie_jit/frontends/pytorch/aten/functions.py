"""Functions of single elements."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, Operand, aten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.types import is_floating

EXACT: dict[tuple[str, ...], Callable[[Symbol], Symbol]] = {
    ("neg", "negative"): ops.negative,
    ("abs", "absolute"): ops.absolute,
}
"""Functions that integers stay integers in."""

FLOATING: dict[tuple[str, ...], Callable[[Symbol], Symbol]] = {
    ("reciprocal",): ops.reciprocal,
    ("sqrt",): ops.sqrt,
    ("rsqrt",): ops.rsqrt,
    ("exp",): ops.exp,
    ("exp2", "special_exp2"): ops.exp2,
    ("expm1", "special_expm1"): ops.expm1,
    ("log",): ops.log,
    ("log1p", "special_log1p"): ops.log1p,
    ("log2",): ops.log2,
    ("log10",): ops.log10,
    ("sin",): ops.sin,
    ("cos",): ops.cos,
    ("tan",): ops.tan,
    ("asin", "arcsin"): ops.arcsin,
    ("acos", "arccos"): ops.arccos,
    ("atan", "arctan"): ops.arctan,
    ("sinh",): ops.sinh,
    ("cosh",): ops.cosh,
    ("tanh",): ops.tanh,
    ("asinh", "arcsinh"): ops.arcsinh,
    ("acosh", "arccosh"): ops.arccosh,
    ("atanh", "arctanh"): ops.arctanh,
    ("erf", "special_erf"): ops.erf,
    ("erfc", "special_erfc"): ops.erfc,
    ("erfinv", "special_erfinv"): ops.erfinv,
    ("i0", "special_i0"): ops.i0,
    ("sinc", "special_sinc"): ops.sinc,
    ("deg2rad",): ops.deg2rad,
    ("rad2deg",): ops.rad2deg,
    ("sigmoid", "special_expit"): ops.sigmoid,
}
"""Functions that take integers in float32."""

ROUNDING: dict[tuple[str, ...], Callable[[Symbol], Symbol]] = {
    ("floor",): ops.floor,
    ("ceil",): ops.ceil,
    ("trunc", "fix"): ops.trunc,
}
"""Functions that leave integers as they are."""

PREDICATES: dict[tuple[str, ...], tuple[Callable[[Symbol], Symbol], bool]] = {
    ("isnan",): (ops.isnan, False),
    ("isinf",): (ops.isinf, False),
    ("isfinite",): (ops.isfinite, True),
    ("isposinf",): (ops.isposinf, False),
    ("isneginf",): (ops.isneginf, False),
}
"""Functions from numbers to bool, and their value for integers."""


def _function(names: tuple[str, ...], function: Callable[[Symbol], Symbol], integers: str) -> None:
    @aten(*names)
    def compute(call: AtenCall, x: Symbol) -> Symbol:
        if is_floating(x.dtype) or integers == "exact":
            return function(x)
        return x if integers == "same" else function(ops.cast(x, "float32"))


for _names, _unary in EXACT.items():
    _function(_names, _unary, "exact")
for _names, _unary in FLOATING.items():
    _function(_names, _unary, "floating")
for _names, _unary in ROUNDING.items():
    _function(_names, _unary, "same")


def _predicate(names: tuple[str, ...], function: Callable[[Symbol], Symbol], of_integers: bool) -> None:
    @aten(*names)
    def compute(call: AtenCall, x: Symbol) -> Symbol:
        return function(x) if is_floating(x.dtype) else ops.full_like(x, of_integers, "bool")


for _names, (_unary, _value) in PREDICATES.items():
    _predicate(_names, _unary, _value)


@aten("round")
def round_(call: AtenCall, x: Symbol, decimals: int = 0) -> Symbol:
    """Rounded to decimals, halves to the even neighbor."""
    if decimals < 0:
        power_of_ten = 10.0**-decimals
        return ops.multiply(ops.round(ops.divide(x, power_of_ten)), power_of_ten)
    return ops.round(x, decimals)


@aten("frac")
def frac(call: AtenCall, x: Symbol) -> Symbol:
    """The part after the decimal point, of the sign of ``x``."""
    return ops.subtract(x, ops.trunc(x))


@aten("sign", "sgn")
def sign(call: AtenCall, x: Symbol) -> Symbol:
    """-1, 0 or 1; 0 for NaN."""
    if not x.dtype.startswith("float"):
        return x if x.dtype == "bool" else ops.sign(x)
    return ops.subtract(ops.cast(ops.greater(x, 0.0), x.dtype), ops.cast(ops.less(x, 0.0), x.dtype))


@aten("signbit")
def signbit(call: AtenCall, x: Symbol) -> Symbol:
    """Whether an element is negative, including -0.0."""
    return ops.signbit(x)


@aten("copysign")
def copysign(call: AtenCall, x: Operand, other: Operand) -> Symbol:
    """The magnitude of ``x`` with the sign of ``other``."""
    a, b = (call.floating(operand) for operand in call.promoted(x, other))
    size = ops.absolute(a)
    return ops.where(ops.signbit(b), ops.negative(size), size)


@aten("heaviside")
def heaviside(call: AtenCall, x: Symbol, values: Symbol) -> Symbol:
    """0, ``values`` or 1 for negative, zero and positive numbers."""
    return ops.where(ops.equal(x, 0), values, ops.cast(ops.greater(x, 0), x.dtype))


@aten("logit", "special_logit")
def logit(call: AtenCall, x: Symbol, eps: float | None) -> Symbol:
    """``log(x / (1 - x))``, with ``x`` limited to [eps, 1 - eps]."""
    x = call.floating(x)
    x = x if eps is None else ops.clip(x, eps, 1 - eps)
    return ops.log(ops.divide(x, ops.subtract(1.0, x)))


@aten("xlogy", "special_xlogy")
def xlogy(call: AtenCall, x: Operand, other: Operand) -> Symbol:
    """``x * log(other)``, and 0 where ``x`` is 0 unless ``other`` is NaN."""
    a, b = (call.floating(operand) for operand in call.promoted(x, other))
    return ops.where(ops.isnan(b), np.nan, ops.where(ops.equal(a, 0), 0.0, ops.multiply(a, ops.log(b))))


@aten("positive")
def positive(call: AtenCall, x: Symbol) -> Symbol:
    """The tensor itself."""
    return x


@aten("special_ndtr")
def normal_distribution(call: AtenCall, x: Symbol) -> Symbol:
    """The integral of the normal distribution up to each element."""
    return ops.multiply(ops.erfc(ops.multiply(call.floating(x), -math.sqrt(0.5))), 0.5)


@aten("special_ndtri")
def normal_quantile(call: AtenCall, x: Symbol) -> Symbol:
    """The inverse of ``special_ndtr``."""
    return ops.multiply(ops.erfinv(ops.subtract(ops.multiply(call.floating(x), 2.0), 1.0)), math.sqrt(2))


@aten("special_entr")
def entropy(call: AtenCall, x: Symbol) -> Symbol:
    """``-x log(x)``; 0 for 0 and -inf for negative numbers."""
    x = call.floating(x)
    product = ops.negative(ops.multiply(x, ops.log(x)))
    return ops.where(ops.equal(x, 0.0), 0.0, ops.where(ops.less(x, 0.0), -math.inf, product))


@aten("special_xlog1py")
def xlog1py(call: AtenCall, x: Operand, other: Operand) -> Symbol:
    """``x * log(1 + other)``, and 0 where ``x`` is 0 unless ``other`` is NaN."""
    a, b = (call.floating(operand) for operand in call.promoted(x, other))
    return ops.where(ops.isnan(b), np.nan, ops.where(ops.equal(a, 0), 0.0, ops.multiply(a, ops.log1p(b))))


@aten("ldexp")
def ldexp(call: AtenCall, x: Symbol, other: Symbol) -> Symbol:
    """``x * 2^other``."""
    return ops.multiply(*call.promoted(call.floating(x), ops.exp2(call.floating(other))))


@aten("logaddexp2")
def logaddexp2(call: AtenCall, x: Symbol, other: Symbol) -> Symbol:
    """``log2(2^x + 2^other)``."""
    return ops.logaddexp2(*call.promoted(x, other))
