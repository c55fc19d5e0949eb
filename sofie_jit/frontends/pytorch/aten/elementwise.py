"""Arithmetic, comparison, logic and functions of single elements."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, Operand, aten
from sofie_jit.frontends.pytorch.promotion import result_type
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators import elementwise
from sofie_jit.ir.operators import math as functions
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.types import is_floating, is_integer

# -- arithmetic --------------------------------------------------------------------------------------------------------


def _scaled(call: AtenCall, other: Operand, alpha: Operand, dtype: str) -> Symbol:
    scaled = call.cast(other, dtype)
    return scaled if alpha == 1 else ops.multiply(scaled, call.cast(alpha, dtype))


@aten("add")
def add(call: AtenCall, x: Operand, other: Operand, alpha: Any = 1) -> Symbol:
    """``x + alpha * other``; of bool, the logical or."""
    dtype = result_type(x, other)
    return ops.add(call.cast(x, dtype), _scaled(call, other, alpha, dtype))


@aten("sub", "subtract")
def sub(call: AtenCall, x: Operand, other: Operand, alpha: Any = 1) -> Symbol:
    """``x - alpha * other``."""
    dtype = result_type(x, other)
    return ops.subtract(call.cast(x, dtype), _scaled(call, other, alpha, dtype))


@aten("rsub")
def rsub(call: AtenCall, x: Operand, other: Operand, alpha: Any = 1) -> Symbol:
    """``other - alpha * x``."""
    return sub(call, other, x, alpha)


@aten("mul", "multiply")
def mul(call: AtenCall, x: Operand, other: Operand) -> Symbol:
    """``x * other``; of bool, the logical and."""
    return ops.multiply(*call.promoted(x, other))


@aten("div", "divide", "true_divide")
def div(call: AtenCall, x: Operand, other: Operand, rounding_mode: Any = None) -> Symbol:
    """``x / other`` in floating point, or rounded towards 0 (``trunc``) or down (``floor``)."""
    dtype = result_type(x, other)
    if rounding_mode is None:
        return ops.divide(*call.promoted(x, other, dtype=dtype if is_floating(dtype) else "float32"))
    if rounding_mode == "floor":
        return floor_divide(call, x, other)
    if rounding_mode != "trunc":
        call.refuse(f"rounding_mode={rounding_mode!r} is not supported")
    return _rounded_quotient(call, x, other, ops.trunc)


@aten("floor_divide")
def floor_divide(call: AtenCall, x: Operand, other: Operand) -> Symbol:
    """``x / other`` rounded down."""
    dtype = result_type(x, other)
    if not is_floating(dtype):
        return _rounded_quotient(call, x, other, ops.floor)
    a, b = call.promoted(x, other)
    # as PyTorch: the remainder is exact, so that the quotient is not rounded up to the next integer
    remainder = ops.mod(a, b)
    quotient = ops.divide(ops.subtract(a, remainder), b)
    nearest = ops.floor(quotient)
    nearest = ops.where(ops.greater(ops.subtract(quotient, nearest), 0.5), ops.add(nearest, 1.0), nearest)
    return ops.where(ops.equal(b, 0), ops.divide(a, b), nearest)


def _rounded_quotient(call: AtenCall, x: Operand, other: Operand, rounded: Callable[[Symbol], Symbol]) -> Symbol:
    a, b = call.promoted(x, other)
    if is_floating(a.dtype):
        return rounded(ops.divide(a, b))
    if a.dtype == "bool":
        call.refuse("division of bool is not supported")
    return ops.cast(rounded(ops.divide(ops.cast(a, "float64"), ops.cast(b, "float64"))), a.dtype)  # exact to 2^53


@aten("remainder")
def remainder(call: AtenCall, x: Operand, other: Operand) -> Symbol:
    """The remainder, of the sign of ``other``."""
    return call.add(functions.Mod(), *call.promoted(x, other))


@aten("fmod")
def fmod(call: AtenCall, x: Operand, other: Operand) -> Symbol:
    """The remainder, of the sign of ``x``."""
    return ops.fmod(*call.promoted(x, other))


@aten("pow", "float_power")
def power(call: AtenCall, x: Operand, exponent: Operand) -> Symbol:
    """``x`` to the power of ``exponent``."""
    dtype = result_type(x, exponent)
    if isinstance(exponent, (int, float)) and not isinstance(exponent, bool):
        base = call.cast(x, dtype)
        special = {0.5: ops.sqrt, -0.5: ops.rsqrt, 2: ops.square, -1: ops.reciprocal, 1: ops.identity}
        if exponent in special and (is_floating(base.dtype) or exponent in (1, 2)):
            return special[exponent](base)
        if exponent == 3:
            return ops.multiply(ops.square(base), base)
        if exponent == 0:
            return ops.ones_like(base)
        if is_integer(base.dtype) and 4 <= exponent <= 8:
            square = ops.square(base)
            result = square
            for _ in range(int(exponent) // 2 - 1):
                result = ops.multiply(result, square)
            return ops.multiply(result, base) if exponent % 2 else result
    if not is_floating(dtype):
        call.refuse(f"powers of {dtype} with the exponent {exponent} are not supported: convert to float")
    return call.add(elementwise.Pow(), *call.promoted(x, exponent))


@aten("square")
def square(call: AtenCall, x: Symbol) -> Symbol:
    """``x * x``."""
    return ops.multiply(x, x) if x.dtype == "bool" else ops.square(x)


@aten("maximum", "max.other")
def maximum(call: AtenCall, x: Operand, other: Operand) -> Symbol:
    """The larger one; NaN if one is NaN."""
    return ops.maximum(*call.promoted(x, other))


@aten("minimum", "min.other")
def minimum(call: AtenCall, x: Operand, other: Operand) -> Symbol:
    """The smaller one; NaN if one is NaN."""
    return ops.minimum(*call.promoted(x, other))


@aten("fmax")
def fmax(call: AtenCall, x: Operand, other: Operand) -> Symbol:
    """The larger one, or the other one if one is NaN."""
    return ops.fmax(*call.promoted(x, other))


@aten("fmin")
def fmin(call: AtenCall, x: Operand, other: Operand) -> Symbol:
    """The smaller one, or the other one if one is NaN."""
    return ops.fmin(*call.promoted(x, other))


@aten("atan2", "arctan2")
def atan2(call: AtenCall, x: Symbol, other: Symbol) -> Symbol:
    """The angle of the point (other, x)."""
    dtype = result_type(x, other)
    return ops.arctan2(*call.promoted(x, other, dtype=dtype if is_floating(dtype) else "float32"))


@aten("hypot")
def hypot(call: AtenCall, x: Symbol, other: Symbol) -> Symbol:
    """The length of the vector (x, other)."""
    return ops.hypot(*call.promoted(x, other))


@aten("logaddexp")
def logaddexp(call: AtenCall, x: Symbol, other: Symbol) -> Symbol:
    """``log(exp(x) + exp(other))``."""
    return ops.logaddexp(*call.promoted(x, other))


@aten("addcmul")
def addcmul(call: AtenCall, x: Symbol, tensor1: Symbol, tensor2: Symbol, value: Any) -> Symbol:
    """``x + value * tensor1 * tensor2``."""
    return add(call, x, mul(call, tensor1, tensor2), value)


@aten("addcdiv")
def addcdiv(call: AtenCall, x: Symbol, tensor1: Symbol, tensor2: Symbol, value: Any) -> Symbol:
    """``x + value * tensor1 / tensor2``."""
    return add(call, x, div(call, tensor1, tensor2), value)


@aten("lerp")
def lerp(call: AtenCall, x: Symbol, end: Symbol, weight: Operand) -> Symbol:
    """``x + weight * (end - x)``."""
    return add(call, x, mul(call, sub(call, end, x), weight))


# -- comparison and logic ----------------------------------------------------------------------------------------------

COMPARISONS: dict[tuple[str, ...], type[elementwise.Comparison]] = {
    ("eq",): elementwise.Equal,
    ("ne", "not_equal"): elementwise.NotEqual,
    ("lt", "less"): elementwise.Less,
    ("le", "less_equal"): elementwise.LessOrEqual,
    ("gt", "greater"): elementwise.Greater,
    ("ge", "greater_equal"): elementwise.GreaterOrEqual,
}
LOGIC: dict[tuple[str, ...], type[elementwise.Comparison]] = {
    ("logical_and",): elementwise.And,
    ("logical_or",): elementwise.Or,
    ("logical_xor",): elementwise.Xor,
}


def _comparison(names: tuple[str, ...], operator: type[elementwise.Comparison]) -> None:
    @aten(*names)
    def compare(call: AtenCall, x: Operand, other: Operand) -> Symbol:
        a, b = call.promoted(x, other)
        if a.dtype == "bool":
            a, b = ops.cast(a, "int32"), ops.cast(b, "int32")
        return call.add(operator(), a, b)


def _logic(names: tuple[str, ...], operator: type[elementwise.Comparison]) -> None:
    @aten(*names)
    def combine(call: AtenCall, x: Symbol, other: Symbol) -> Symbol:
        return call.add(operator(), ops.cast(x, "bool"), ops.cast(other, "bool"))


for _names, _operator in COMPARISONS.items():
    _comparison(_names, _operator)
for _names, _operator in LOGIC.items():
    _logic(_names, _operator)


@aten("logical_not")
def logical_not(call: AtenCall, x: Symbol) -> Symbol:
    """Whether an element is 0."""
    return ops.logical_not(x)


BITWISE: dict[tuple[str, ...], tuple[type[elementwise.Comparison], type[functions.OfIntegers]]] = {
    ("bitwise_and", "__and__"): (elementwise.And, functions.BitwiseAnd),
    ("bitwise_or", "__or__"): (elementwise.Or, functions.BitwiseOr),
    ("bitwise_xor", "__xor__"): (elementwise.Xor, functions.BitwiseXor),
}
"""Operators of bool and of integers."""


def _bitwise(
    names: tuple[str, ...], of_bool: type[elementwise.Comparison], of_integers: type[functions.OfIntegers]
) -> None:
    @aten(*names)
    def combine(call: AtenCall, x: Operand, other: Operand) -> Symbol:
        a, b = call.promoted(x, other)
        return call.add(of_bool() if a.dtype == "bool" else of_integers(), a, b)


for _names, _operators in BITWISE.items():
    _bitwise(_names, *_operators)


@aten("bitwise_not")
def bitwise_not(call: AtenCall, x: Symbol) -> Symbol:
    """All bits inverted; of bool, the logical not."""
    return ops.logical_not(x) if x.dtype == "bool" else ops.bitwise_not(x)


@aten("bitwise_left_shift", "__lshift__")
def left_shift(call: AtenCall, x: Operand, other: Operand) -> Symbol:
    """Bits moved to the left."""
    return ops.bitwise_left_shift(*call.promoted(x, other))


@aten("bitwise_right_shift", "__rshift__")
def right_shift(call: AtenCall, x: Operand, other: Operand) -> Symbol:
    """Bits moved to the right."""
    return ops.bitwise_right_shift(*call.promoted(x, other))


@aten("isclose")
def isclose(call: AtenCall, x: Symbol, other: Symbol, rtol: float, atol: float, equal_nan: bool) -> Symbol:
    """Whether elements are close."""
    return ops.isclose(x, other, rtol, atol, equal_nan)


@aten("where")
def where(call: AtenCall, condition: Symbol, x: Operand, other: Operand) -> Symbol:
    """``x`` where the condition is true, else ``other``."""
    return call.add(elementwise.Where(), ops.cast(condition, "bool"), *call.promoted(x, other))


@aten("masked_fill")
def masked_fill(call: AtenCall, x: Symbol, mask: Symbol, value: Operand) -> Symbol:
    """``value`` where the mask is true, else ``x``."""
    return call.add(elementwise.Where(), ops.cast(mask, "bool"), call.cast(value, x.dtype), x)


# -- limits ------------------------------------------------------------------------------------------------------------


@aten("clamp", "clip")
def clamp(call: AtenCall, x: Symbol, min: Operand | None, max: Operand | None) -> Symbol:
    """``x`` limited to [min, max]; ``max`` where ``min`` is larger."""
    limits = [limit for limit in (min, max) if limit is not None]
    if all(isinstance(limit, (int, float)) for limit in limits):
        if is_floating(x.dtype):
            low, high = (fill if limit is None else limit for limit, fill in ((min, -math.inf), (max, math.inf)))
            return ops.clip(x, float(low if low < high else high), float(high))  # type: ignore[arg-type, operator]
        if any(isinstance(limit, float) for limit in limits):
            x = ops.cast(x, "float32")
    if min is not None:
        x = ops.maximum(*call.promoted(x, min))
    return x if max is None else ops.minimum(*call.promoted(x, max))


@aten("clamp_min")
def clamp_min(call: AtenCall, x: Symbol, min: Operand) -> Symbol:
    """``x``, at least ``min``."""
    return clamp(call, x, min, None)


@aten("clamp_max")
def clamp_max(call: AtenCall, x: Symbol, max: Operand) -> Symbol:
    """``x``, at most ``max``."""
    return clamp(call, x, None, max)


@aten("nan_to_num")
def nan_to_num(call: AtenCall, x: Symbol, nan: float | None, posinf: float | None, neginf: float | None) -> Symbol:
    """NaN and infinities replaced."""
    return ops.nan_to_num(x, 0.0 if nan is None else nan, posinf, neginf) if is_floating(x.dtype) else x


# -- functions of one number -------------------------------------------------------------------------------------------

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


# -- types and copies --------------------------------------------------------------------------------------------------


@aten("to", "_to_copy", "type_as")
def to(call: AtenCall, x: Operand, dtype: Any = None, other: Symbol | None = None) -> Symbol:
    """``x`` as another element type."""
    wanted = other.dtype if other is not None else dtype
    if not isinstance(x, Symbol):
        return call.cast(x, wanted or result_type(x))
    return x if wanted is None or wanted == x.dtype else call.cast(x, wanted)


@aten("copy")
def copy(call: AtenCall, x: Symbol, src: Symbol) -> Symbol:
    """``src`` in the shape and type of ``x``."""
    value = call.cast(src, x.dtype)
    return value if value.shape == x.shape else call.add(Expand(shape=x.shape), value)


@aten("fill")
def fill(call: AtenCall, x: Symbol, value: Operand) -> Symbol:
    """A value in the shape and type of ``x``."""
    return ops.full_like(x, call.cast(value, x.dtype))


@aten("zero")
def zero(call: AtenCall, x: Symbol) -> Symbol:
    """0 in the shape and type of ``x``."""
    return ops.zeros_like(x)
