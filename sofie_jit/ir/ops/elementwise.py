"""Operations element by element, with numpy's broadcasting."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import DtypeError
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators import activations, elementwise
from sofie_jit.ir.operators import math as functions
from sofie_jit.ir.ops.core import Value, apply, builder_of, cast, convert, element_type, floating, promote, result_type

# -- arithmetic ------------------------------------------------------------------------------------------------------


def add(x1: Value, x2: Value) -> Symbol:
    """``x1 + x2``; of truth values, or."""
    a, b = promote(x1, x2)
    return apply(elementwise.Or() if a.dtype == "bool" else elementwise.Add(), a, b)


def subtract(x1: Value, x2: Value) -> Symbol:
    """``x1 - x2``."""
    return apply(elementwise.Sub(), *promote(x1, x2))


def multiply(x1: Value, x2: Value) -> Symbol:
    """``x1 * x2``; of truth values, and."""
    a, b = promote(x1, x2)
    return apply(elementwise.And() if a.dtype == "bool" else elementwise.Mul(), a, b)


def divide(x1: Value, x2: Value) -> Symbol:
    """``x1 / x2``, of integers in float32."""
    return apply(elementwise.Div(), *promote(x1, x2, dtype=floating(x1, x2)))


def divide_no_nan(x1: Value, x2: Value) -> Symbol:
    """``x1 / x2``, and 0 where ``x2`` is."""
    a, b = promote(x1, x2, dtype=floating(x1, x2))
    zero = equal(b, 0)
    return where(zero, 0, divide(a, where(zero, 1, b)))


def mod(x1: Value, x2: Value) -> Symbol:
    """The remainder of ``x1 / x2``, of the sign of ``x2``."""
    a, b = promote(x1, x2)
    return apply(functions.Mod(), *(promote(a, b, dtype="int32") if a.dtype == "bool" else (a, b)))


def floor_divide(x1: Value, x2: Value) -> Symbol:
    """``x1 / x2`` rounded down."""
    a, b = promote(x1, x2)
    if a.dtype.startswith("float"):
        return floor(divide(a, b))
    if a.dtype == "int64":
        raise DtypeError("floor_divide is not translated for int64: cast to int32 or a float type first")
    return cast(floor(divide(cast(a, "float64"), cast(b, "float64"))), "int32")  # exact


def power(x1: Value, x2: Value) -> Symbol:
    """``x1`` to the power of ``x2``; squares and cubes are products."""
    if isinstance(x1, Symbol) and np.ndim(x2) == 0 and not isinstance(x2, Symbol):
        x = cast(x1, result_type(x1, x2))
        if float(x2) == 0.5 and x.dtype.startswith("float"):
            return sqrt(x)
        if float(x2) == 2:
            return square(x)
        if float(x2) == 3:
            return multiply(square(x), x)
    kind = result_type(x1, x2)
    if not kind.startswith("float"):
        raise DtypeError(f"power of {kind} is translated for the exponents 2 and 3 only: cast to float32 first")
    return apply(elementwise.Pow(), *promote(x1, x2))


def maximum(x1: Value, x2: Value) -> Symbol:
    """The larger one; NaN if one is NaN."""
    return apply(elementwise.Max(), *promote(x1, x2))


def minimum(x1: Value, x2: Value) -> Symbol:
    """The smaller one; NaN if one is NaN."""
    return apply(elementwise.Min(), *promote(x1, x2))


def squared_difference(x1: Value, x2: Value) -> Symbol:
    """``(x1 - x2) ** 2``."""
    return square(subtract(x1, x2))


def arctan2(x1: Value, x2: Value) -> Symbol:
    """The angle of the point (``x2``, ``x1``)."""
    return apply(functions.Atan2(), *promote(x1, x2, dtype=floating(x1, x2)))


def logaddexp(x1: Value, x2: Value) -> Symbol:
    """``log(exp(x1) + exp(x2))``."""
    a, b = promote(x1, x2, dtype=floating(x1, x2))
    difference = subtract(a, b)
    return where(isnan(difference), add(a, b), add(maximum(a, b), log1p(exp(negative(absolute(difference))))))


def hypot(x1: Value, x2: Value) -> Symbol:
    """``sqrt(x1**2 + x2**2)``, computed so that no square overflows."""
    a, b = (absolute(x) for x in promote(x1, x2, dtype=floating(x1, x2)))
    larger = maximum(a, b)
    return multiply(larger, sqrt(add(square(divide_no_nan(minimum(a, b), larger)), 1.0)))


def clip(x: Symbol, x_min: Value, x_max: Value) -> Symbol:
    """``x`` cut to [``x_min``, ``x_max``]."""
    numbers = all(isinstance(limit, (int, float)) for limit in (x_min, x_max))
    if numbers and x.dtype.startswith("float"):
        return apply(activations.Clip(min=float(x_min), max=float(x_max)), x)
    return minimum(maximum(x, x_min), x_max)


def fmod(x1: Value, x2: Value) -> Symbol:
    """The remainder of ``x1 / x2``, of the sign of ``x1``."""
    a, b = promote(x1, x2)
    rest = mod(absolute(a), absolute(b))
    return where(less(a, 0), negative(rest), rest)


def logaddexp2(x1: Value, x2: Value) -> Symbol:
    """``log2(2 ** x1 + 2 ** x2)``."""
    a, b = promote(x1, x2, dtype=floating(x1, x2))
    return divide(logaddexp(multiply(a, math.log(2)), multiply(b, math.log(2))), math.log(2))


def ldexp(x1: Value, x2: Value) -> Symbol:
    """``x1 * 2 ** x2``."""
    a, b = promote(x1, x2, dtype=floating(x1, x2))
    return multiply(a, exp2(b))


def heaviside(x1: Value, x2: Value) -> Symbol:
    """0 below 0, 1 above, ``x2`` at 0."""
    a, b = promote(x1, x2, dtype=floating(x1, x2))
    return where(less(a, 0), 0, where(equal(a, 0), b, where(isnan(a), a, 1)))


def _promoted(operator: type[elementwise.Broadcasting]) -> Callable[[Value, Value], Symbol]:
    """The function of an operator of two tensors of one type."""

    def function(x1: Value, x2: Value) -> Symbol:
        return apply(operator(), *promote(x1, x2))

    function.__doc__ = operator.__doc__
    return function


gcd = _promoted(functions.Gcd)
lcm = _promoted(functions.Lcm)
nextafter = _promoted(functions.NextAfter)
bitwise_and = _promoted(functions.BitwiseAnd)
bitwise_or = _promoted(functions.BitwiseOr)
bitwise_xor = _promoted(functions.BitwiseXor)
bitwise_left_shift = _promoted(functions.BitShiftLeft)
bitwise_right_shift = _promoted(functions.BitShiftRight)


# -- comparison and logic --------------------------------------------------------------------------------------------


equal = _promoted(elementwise.Equal)
not_equal = _promoted(elementwise.NotEqual)
less = _promoted(elementwise.Less)
less_equal = _promoted(elementwise.LessOrEqual)
greater = _promoted(elementwise.Greater)
greater_equal = _promoted(elementwise.GreaterOrEqual)
logical_and = _promoted(elementwise.And)
logical_or = _promoted(elementwise.Or)
logical_xor = _promoted(elementwise.Xor)


def logical_not(x: Symbol) -> Symbol:
    """``not x``."""
    return apply(elementwise.Not(), cast(x, "bool"))


def isnan(x: Symbol) -> Symbol:
    """Whether a number is NaN."""
    return not_equal(x, x)


def isinf(x: Symbol) -> Symbol:
    """Whether a number is infinite."""
    return equal(absolute(x), math.inf)


def isfinite(x: Symbol) -> Symbol:
    """Whether a number is neither NaN nor infinite."""
    return less(absolute(x), math.inf)


def isposinf(x: Symbol) -> Symbol:
    """Whether a number is infinite and positive."""
    return equal(x, math.inf)


def isneginf(x: Symbol) -> Symbol:
    """Whether a number is infinite and negative."""
    return equal(x, -math.inf)


def signbit(x: Symbol) -> Symbol:
    """Whether a number is less than 0, or the negative 0."""
    if not x.dtype.startswith("float"):
        return less(cast(x, "int32") if x.dtype == "bool" else x, 0)
    return logical_or(less(x, 0), logical_and(equal(x, 0), less(reciprocal(x), 0)))


def isclose(x1: Value, x2: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Symbol:
    """Whether ``|x1 - x2| <= atol + rtol |x2|``; infinities are close to themselves."""
    a, b = promote(x1, x2, dtype=floating(x1, x2))
    near = less_equal(absolute(subtract(a, b)), add(multiply(absolute(b), rtol), atol))
    close = logical_or(equal(a, b), logical_and(near, isfinite(b)))
    return logical_or(close, logical_and(isnan(a), isnan(b))) if equal_nan else close


def where(condition: Symbol, x1: Value, x2: Value) -> Symbol:
    """``x1`` where ``condition`` is true, else ``x2``."""
    builder, kind = builder_of(condition, x1, x2), result_type(x1, x2)
    chosen = [convert(value, kind, builder) for value in (x1, x2)]
    return apply(elementwise.Where(), convert(condition, "bool", builder), *chosen)


def fmax(x1: Value, x2: Value) -> Symbol:
    """The larger one; the other one if one is NaN."""
    a, b = promote(x1, x2)
    return where(isnan(a), b, where(isnan(b), a, maximum(a, b)))


def fmin(x1: Value, x2: Value) -> Symbol:
    """The smaller one; the other one if one is NaN."""
    a, b = promote(x1, x2)
    return where(isnan(a), b, where(isnan(b), a, minimum(a, b)))


def select(condlist: Sequence[Symbol], choicelist: Sequence[Value], default: Value = 0) -> Symbol:
    """Of ``choicelist`` the first whose condition is true, else ``default``."""
    chosen = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        chosen = where(condition, choice, chosen)
    result: Symbol = chosen
    return result


def nan_to_num(x: Symbol, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Symbol:
    """``x`` with NaN and infinities replaced; by default by 0 and the largest and smallest number."""
    limits = np.finfo(x.dtype)
    x = where(isnan(x), nan, x)
    x = where(equal(x, math.inf), float(limits.max) if posinf is None else posinf, x)
    return where(equal(x, -math.inf), float(limits.min) if neginf is None else neginf, x)


# -- functions of one number -----------------------------------------------------------------------------------------


def _unary(operator: type[functions.Unary] | type[activations.Activation]) -> Callable[[Symbol], Symbol]:
    def function(x: Symbol) -> Symbol:
        exact = x.dtype.startswith("int") and operator.integers
        return apply(operator(), x if exact else cast(x, floating(x)))

    function.__doc__ = operator.__doc__
    return function


absolute = _unary(functions.Abs)
negative = _unary(functions.Neg)
sign = _unary(functions.Sign)
square = _unary(functions.Square)
reciprocal = _unary(functions.Reciprocal)
sqrt = _unary(functions.Sqrt)
rsqrt = _unary(functions.Rsqrt)
cbrt = _unary(functions.Cbrt)
exp = _unary(activations.Exp)
exp2 = _unary(functions.Exp2)
expm1 = _unary(functions.Expm1)
log = _unary(functions.Log)
log1p = _unary(functions.Log1p)
log2 = _unary(functions.Log2)
log10 = _unary(functions.Log10)
erf = _unary(functions.Erf)
erfc = _unary(functions.Erfc)
erfinv = _unary(functions.Erfinv)
i0 = _unary(functions.BesselI0)
floor = _unary(functions.Floor)
ceil = _unary(functions.Ceil)
trunc = _unary(functions.Trunc)
sin = _unary(functions.Sin)
cos = _unary(functions.Cos)
tan = _unary(functions.Tan)
arcsin = _unary(functions.Asin)
arccos = _unary(functions.Acos)
arctan = _unary(functions.Atan)
sinh = _unary(functions.Sinh)
cosh = _unary(functions.Cosh)
tanh = _unary(activations.Tanh)
arcsinh = _unary(functions.Asinh)
arccosh = _unary(functions.Acosh)
arctanh = _unary(functions.Atanh)


def bitwise_not(x: Symbol) -> Symbol:
    """All bits turned round."""
    return apply(functions.BitwiseNot(), x)


def sinc(x: Symbol) -> Symbol:
    """``sin(pi x) / (pi x)``, and 1 at 0."""
    turned = multiply(cast(x, floating(x)), math.pi)
    zero = equal(turned, 0)
    return where(zero, 1, divide(sin(turned), where(zero, 1, turned)))


def angle(x: Symbol) -> Symbol:
    """The angle of a real number: 0, or pi below 0."""
    return arctan2(0.0, x)


def saturate_cast(x: Symbol, dtype: Any) -> Symbol:
    """``x`` as ``dtype``, numbers out of its range as its ends."""
    to = element_type(dtype)
    if not (to.startswith("int") and (x.dtype.startswith("float") or (x.dtype, to) == ("int64", "int32"))):
        return cast(x, to)
    ends = np.iinfo(to)
    inside = cast(where(less(absolute(x), float(ends.max)), x, 0), to) if x.dtype.startswith("float") else cast(x, to)
    return where(greater_equal(x, ends.max), ends.max, where(less_equal(x, ends.min), ends.min, inside))


def round(x: Symbol, decimals: int = 0) -> Symbol:
    """The nearest multiple of ``10 ** -decimals``, halves to the even one."""
    if x.dtype.startswith("int") and decimals >= 0:
        return x
    rounded = functions.Round()
    return apply(rounded, x) if decimals == 0 else divide(apply(rounded, multiply(x, 10.0**decimals)), 10.0**decimals)


def deg2rad(x: Symbol) -> Symbol:
    """Degrees as radians."""
    return multiply(cast(x, floating(x)), math.pi / 180)


def rad2deg(x: Symbol) -> Symbol:
    """Radians as degrees."""
    return multiply(cast(x, floating(x)), 180 / math.pi)
