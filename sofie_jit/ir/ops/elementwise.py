"""Element-wise functions, with numpy's broadcasting."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from sofie_jit.errors import DtypeError
from sofie_jit.ir.operators import activations, elementwise
from sofie_jit.ir.operators import math as functions
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.ops.core import (
    TensorLike,
    apply,
    builder_of,
    cast,
    convert,
    countable,
    element_type,
    floating,
    promote,
    result_type,
)
from sofie_jit.ir.symbol import Symbol
from sofie_jit.ir.types import is_floating, is_integer

Function = TypeVar("Function", bound=Callable[..., Symbol])

# -- arithmetic ------------------------------------------------------------------------------------------------------


def add(x1: TensorLike, x2: TensorLike) -> Symbol:
    """``x1 + x2``; of booleans, the logical or.

    >>> ops.add(x, 1.0)
    <Symbol 'add' float32 (batch, 2, 3)>
    """
    a, b = promote(x1, x2)
    return apply(elementwise.Or() if a.dtype == "bool" else elementwise.Add(), a, b)


def subtract(x1: TensorLike, x2: TensorLike) -> Symbol:
    """``x1 - x2``."""
    return apply(elementwise.Sub(), *promote(x1, x2))


def multiply(x1: TensorLike, x2: TensorLike) -> Symbol:
    """``x1 * x2``; of booleans, the logical and."""
    a, b = promote(x1, x2)
    return apply(elementwise.And() if a.dtype == "bool" else elementwise.Mul(), a, b)


def divide(x1: TensorLike, x2: TensorLike) -> Symbol:
    """``x1 / x2`` in floating point."""
    return apply(elementwise.Div(), *promote(x1, x2, dtype=floating(x1, x2)))


def divide_no_nan(x1: TensorLike, x2: TensorLike) -> Symbol:
    """``x1 / x2`` in floating point, and 0 where ``x2`` is 0."""
    a, b = promote(x1, x2, dtype=floating(x1, x2))
    zero = equal(b, 0)
    return where(zero, 0, divide(a, where(zero, 1, b)))


def mod(x1: TensorLike, x2: TensorLike) -> Symbol:
    """The remainder of ``x1 / x2``, with the sign of ``x2``, as ``numpy.mod``."""
    return apply(functions.Mod(), *map(countable, promote(x1, x2)))


def floor_divide(x1: TensorLike, x2: TensorLike) -> Symbol:
    """``x1 / x2`` rounded down. Raises DtypeError for int64, which is not supported."""
    a, b = promote(x1, x2)
    if is_floating(a.dtype):
        return floor(divide(a, b))
    if a.dtype in ("int64", "uint64"):
        quotient = apply(elementwise.Div(), a, b)  # rounded towards 0
        below = logical_and(not_equal(multiply(quotient, b), a), not_equal(less(a, 0), less(b, 0)))
        return subtract(quotient, cast(below, a.dtype))
    quotient = floor(divide(cast(a, "float64"), cast(b, "float64")))  # float64 is exact
    return cast(quotient, "int32" if a.dtype == "bool" else a.dtype)


def power(x1: TensorLike, x2: TensorLike) -> Symbol:
    """``x1 ** x2``; the constant exponents 2 and 3 are products.

    Raises DtypeError for integers with other exponents.
    """
    if isinstance(x1, Symbol) and np.ndim(x2) == 0 and not isinstance(x2, Symbol):
        x = cast(x1, result_type(x1, x2))
        if float(x2) == 0.5 and is_floating(x.dtype):
            return sqrt(x)
        if float(x2) == 2:
            return square(x)
        if float(x2) == 3:
            return multiply(square(x), x)
    dtype = result_type(x1, x2)
    if not is_floating(dtype):
        raise DtypeError(f"power of {dtype} is supported for the exponents 2 and 3 only: cast to float32 first")
    return apply(elementwise.Pow(), *promote(x1, x2))


def maximum(x1: TensorLike, x2: TensorLike) -> Symbol:
    """The larger of ``x1`` and ``x2``; NaN if one of them is NaN."""
    return apply(elementwise.Max(), *promote(x1, x2))


def minimum(x1: TensorLike, x2: TensorLike) -> Symbol:
    """The smaller of ``x1`` and ``x2``; NaN if one of them is NaN."""
    return apply(elementwise.Min(), *promote(x1, x2))


def squared_difference(x1: TensorLike, x2: TensorLike) -> Symbol:
    """``(x1 - x2) ** 2``."""
    return square(subtract(x1, x2))


def arctan2(x1: TensorLike, x2: TensorLike) -> Symbol:
    """The angle of the point (``x2``, ``x1``) in radians, in [-pi, pi]."""
    return apply(functions.Atan2(), *promote(x1, x2, dtype=floating(x1, x2)))


def logaddexp(x1: TensorLike, x2: TensorLike) -> Symbol:
    """``log(exp(x1) + exp(x2))``, computed without overflow."""
    a, b = promote(x1, x2, dtype=floating(x1, x2))
    difference = subtract(a, b)
    return where(isnan(difference), add(a, b), add(maximum(a, b), log1p(exp(negative(absolute(difference))))))


def hypot(x1: TensorLike, x2: TensorLike) -> Symbol:
    """``sqrt(x1**2 + x2**2)``, computed without overflow of the squares."""
    a, b = (absolute(x) for x in promote(x1, x2, dtype=floating(x1, x2)))
    larger = maximum(a, b)
    return multiply(larger, sqrt(add(square(divide_no_nan(minimum(a, b), larger)), 1.0)))


def clip(x: Symbol, x_min: TensorLike, x_max: TensorLike) -> Symbol:
    """``x`` limited to the interval [``x_min``, ``x_max``]."""
    numbers = all(isinstance(limit, (int, float)) for limit in (x_min, x_max))
    if numbers and is_floating(x.dtype):
        return apply(activations.Clip(min=float(x_min), max=float(x_max)), x)
    return minimum(maximum(x, x_min), x_max)


def fmod(x1: TensorLike, x2: TensorLike) -> Symbol:
    """The remainder of ``x1 / x2``, with the sign of ``x1``, as ``numpy.fmod``."""
    a, b = promote(x1, x2)
    remainder = mod(absolute(a), absolute(b))
    return where(less(a, 0), negative(remainder), remainder)


def logaddexp2(x1: TensorLike, x2: TensorLike) -> Symbol:
    """``log2(2 ** x1 + 2 ** x2)``, computed without overflow."""
    a, b = promote(x1, x2, dtype=floating(x1, x2))
    return divide(logaddexp(multiply(a, math.log(2)), multiply(b, math.log(2))), math.log(2))


def ldexp(x1: TensorLike, x2: TensorLike) -> Symbol:
    """``x1 * 2 ** x2`` in floating point."""
    a, b = promote(x1, x2, dtype=floating(x1, x2))
    return multiply(a, exp2(b))


def heaviside(x1: TensorLike, x2: TensorLike) -> Symbol:
    """0 where ``x1`` is negative, ``x2`` where it is 0, 1 where it is positive."""
    a, b = promote(x1, x2, dtype=floating(x1, x2))
    return where(less(a, 0), 0, where(equal(a, 0), b, where(isnan(a), a, 1)))


def _named(function: Function, name: str, operator: type[ROperator]) -> Function:
    """``function`` with the name and documentation that ``help`` shows: the operator's without its examples."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = (operator.__doc__ or "").partition(">>>")[0].rstrip()
    return function


def _promoted(name: str, operator: type[elementwise.Broadcasting]) -> Callable[[TensorLike, TensorLike], Symbol]:
    """The function of an operator of two tensors of one type."""

    def function(x1: TensorLike, x2: TensorLike) -> Symbol:
        return apply(operator(), *promote(x1, x2))

    return _named(function, name, operator)


gcd = _promoted("gcd", functions.Gcd)
lcm = _promoted("lcm", functions.Lcm)
nextafter = _promoted("nextafter", functions.NextAfter)
bitwise_and = _promoted("bitwise_and", functions.BitwiseAnd)
bitwise_or = _promoted("bitwise_or", functions.BitwiseOr)
bitwise_xor = _promoted("bitwise_xor", functions.BitwiseXor)
bitwise_left_shift = _promoted("bitwise_left_shift", functions.BitShiftLeft)
bitwise_right_shift = _promoted("bitwise_right_shift", functions.BitShiftRight)


# -- comparison and logic --------------------------------------------------------------------------------------------


equal = _promoted("equal", elementwise.Equal)
not_equal = _promoted("not_equal", elementwise.NotEqual)
less = _promoted("less", elementwise.Less)
less_equal = _promoted("less_equal", elementwise.LessOrEqual)
greater = _promoted("greater", elementwise.Greater)
greater_equal = _promoted("greater_equal", elementwise.GreaterOrEqual)
logical_and = _promoted("logical_and", elementwise.And)
logical_or = _promoted("logical_or", elementwise.Or)
logical_xor = _promoted("logical_xor", elementwise.Xor)


def logical_not(x: Symbol) -> Symbol:
    """The logical not of ``x``, as bool; numbers other than 0 are true."""
    return apply(elementwise.Not(), cast(x, "bool"))


def isnan(x: Symbol) -> Symbol:
    """Whether each element is NaN, as bool."""
    return not_equal(x, x)


def isinf(x: Symbol) -> Symbol:
    """Whether each element is infinite, as bool."""
    return equal(absolute(x), math.inf)


def isfinite(x: Symbol) -> Symbol:
    """Whether each element is neither NaN nor infinite, as bool."""
    return less(absolute(x), math.inf)


def isposinf(x: Symbol) -> Symbol:
    """Whether each element is positive infinity, as bool."""
    return equal(x, math.inf)


def isneginf(x: Symbol) -> Symbol:
    """Whether each element is negative infinity, as bool."""
    return equal(x, -math.inf)


def signbit(x: Symbol) -> Symbol:
    """Whether each element is negative, including -0.0, as bool."""
    if not is_floating(x.dtype):
        return less(countable(x), 0)
    return logical_or(less(x, 0), logical_and(equal(x, 0), less(reciprocal(x), 0)))


def isclose(x1: TensorLike, x2: TensorLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Symbol:
    """Whether ``|x1 - x2| <= atol + rtol * |x2|``, as bool; equal infinities are close, NaN only with ``equal_nan``."""
    a, b = promote(x1, x2, dtype=floating(x1, x2))
    near = less_equal(absolute(subtract(a, b)), add(multiply(absolute(b), rtol), atol))
    close = logical_or(equal(a, b), logical_and(near, isfinite(b)))
    return logical_or(close, logical_and(isnan(a), isnan(b))) if equal_nan else close


def where(condition: Symbol, x1: TensorLike, x2: TensorLike) -> Symbol:
    """Elements of ``x1`` where ``condition`` is true, and of ``x2`` elsewhere. All three broadcast.

    It takes the place of Python's ``if``, which cannot test a Symbol.

    >>> ops.where(x > 0, x, 0)
    <Symbol 'where' float32 (batch, 2, 3)>
    """
    builder = builder_of(condition, x1, x2)
    dtype = result_type(x1, x2, builder=builder)
    choices = [convert(value, dtype, builder) for value in (x1, x2)]
    return apply(elementwise.Where(), convert(condition, "bool", builder), *choices)


def fmax(x1: TensorLike, x2: TensorLike) -> Symbol:
    """The larger of ``x1`` and ``x2``; the other one if one of them is NaN."""
    a, b = promote(x1, x2)
    return where(isnan(a), b, where(isnan(b), a, maximum(a, b)))


def fmin(x1: TensorLike, x2: TensorLike) -> Symbol:
    """The smaller of ``x1`` and ``x2``; the other one if one of them is NaN."""
    a, b = promote(x1, x2)
    return where(isnan(a), b, where(isnan(b), a, minimum(a, b)))


def select(condlist: Sequence[Symbol], choicelist: Sequence[TensorLike], default: TensorLike = 0) -> Symbol:
    """Elements of the first of ``choicelist`` whose condition is true, or ``default`` where none is.

    >>> ops.select([x > 1, x > 0], [1.0, x])
    <Symbol 'where_1' float32 (batch, 2, 3)>
    """
    chosen = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        chosen = where(condition, choice, chosen)
    result: Symbol = chosen
    return result


def nan_to_num(x: Symbol, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Symbol:
    """``x`` with NaN and infinities replaced; infinities by default by the largest and smallest finite number."""
    limits = np.finfo(x.dtype)
    x = where(isnan(x), nan, x)
    x = where(equal(x, math.inf), float(limits.max) if posinf is None else posinf, x)
    return where(equal(x, -math.inf), float(limits.min) if neginf is None else neginf, x)


# -- functions of one number -----------------------------------------------------------------------------------------


def _unary(name: str, operator: type[functions.Unary] | type[activations.Activation]) -> Callable[[Symbol], Symbol]:
    def function(x: Symbol) -> Symbol:
        exact = is_integer(x.dtype) and operator.integers
        return apply(operator(), x if exact else cast(x, floating(x)))

    return _named(function, name, operator)


absolute = _unary("absolute", functions.Abs)
negative = _unary("negative", functions.Neg)
sign = _unary("sign", functions.Sign)
square = _unary("square", functions.Square)
reciprocal = _unary("reciprocal", functions.Reciprocal)
sqrt = _unary("sqrt", functions.Sqrt)
rsqrt = _unary("rsqrt", functions.Rsqrt)
cbrt = _unary("cbrt", functions.Cbrt)
exp = _unary("exp", activations.Exp)
exp2 = _unary("exp2", functions.Exp2)
expm1 = _unary("expm1", functions.Expm1)
log = _unary("log", functions.Log)
log1p = _unary("log1p", functions.Log1p)
log2 = _unary("log2", functions.Log2)
log10 = _unary("log10", functions.Log10)
erf = _unary("erf", functions.Erf)
erfc = _unary("erfc", functions.Erfc)
erfinv = _unary("erfinv", functions.Erfinv)
i0 = _unary("i0", functions.BesselI0)
floor = _unary("floor", functions.Floor)
ceil = _unary("ceil", functions.Ceil)
trunc = _unary("trunc", functions.Trunc)
sin = _unary("sin", functions.Sin)
cos = _unary("cos", functions.Cos)
tan = _unary("tan", functions.Tan)
arcsin = _unary("arcsin", functions.Asin)
arccos = _unary("arccos", functions.Acos)
arctan = _unary("arctan", functions.Atan)
sinh = _unary("sinh", functions.Sinh)
cosh = _unary("cosh", functions.Cosh)
tanh = _unary("tanh", activations.Tanh)
arcsinh = _unary("arcsinh", functions.Asinh)
arccosh = _unary("arccosh", functions.Acosh)
arctanh = _unary("arctanh", functions.Atanh)


def bitwise_not(x: Symbol) -> Symbol:
    """All bits of each integer inverted."""
    return apply(functions.BitwiseNot(), x)


def sinc(x: Symbol) -> Symbol:
    """``sin(pi x) / (pi x)``, and 1 at 0."""
    angle_of_x = multiply(cast(x, floating(x)), math.pi)
    zero = equal(angle_of_x, 0)
    return where(zero, 1, divide(sin(angle_of_x), where(zero, 1, angle_of_x)))


def angle(x: Symbol) -> Symbol:
    """The angle of each real number in the complex plane: pi for negative numbers, else 0."""
    return arctan2(0.0, x)


def saturate_cast(x: Symbol, dtype: Any) -> Symbol:
    """``x`` converted to ``dtype``; numbers outside its range become its smallest or largest number.

    The largest number is that of ``dtype`` that the type of ``x`` can hold, as in TensorFlow; NaN becomes 0.
    """
    to = element_type(dtype)
    if not is_integer(to) or x.dtype == "bool":
        return cast(x, to)
    limits = np.iinfo(to)
    if is_integer(x.dtype):
        own = np.iinfo(x.dtype)
        x = x if limits.min <= own.min else maximum(x, limits.min)
        return cast(x if limits.max >= own.max else minimum(x, limits.max), to)
    nearest = np.dtype(x.dtype).type(limits.max)
    top = int(nearest) if int(nearest) <= limits.max else int(np.nextafter(nearest, 0))
    inside = cast(where(logical_and(greater(x, limits.min), less(x, top)), x, 0), to)
    return where(greater_equal(x, top), top, where(less_equal(x, limits.min), limits.min, inside))


def round(x: Symbol, decimals: int = 0) -> Symbol:
    """Each element rounded to ``decimals`` decimals, halves to the even neighbor, as ``numpy.round``."""
    if is_integer(x.dtype) and decimals >= 0:
        return x
    rounded = functions.Round()
    return apply(rounded, x) if decimals == 0 else divide(apply(rounded, multiply(x, 10.0**decimals)), 10.0**decimals)


def deg2rad(x: Symbol) -> Symbol:
    """Degrees converted to radians."""
    return multiply(cast(x, floating(x)), math.pi / 180)


def rad2deg(x: Symbol) -> Symbol:
    """Radians converted to degrees."""
    return multiply(cast(x, floating(x)), 180 / math.pi)
