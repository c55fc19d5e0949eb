"""Arithmetic of two operands, and limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, Operand, aten
from sofie_jit.frontends.pytorch.promotion import result_type
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import SymbolicDim
from sofie_jit.ir.operators import elementwise
from sofie_jit.ir.operators import math as functions
from sofie_jit.ir.types import is_floating, is_integer


def _scaled(call: AtenCall, other: Operand, alpha: Operand, dtype: str) -> Symbol:
    scaled = call.cast(other, dtype)
    return scaled if alpha == 1 else ops.multiply(scaled, call.cast(alpha, dtype))


@aten("add")
def add(call: AtenCall, x: Operand, other: Operand, alpha: Operand = 1) -> Symbol:
    """``x + alpha * other``; of bool, the logical or."""
    dtype = result_type(x, other)
    return ops.add(call.cast(x, dtype), _scaled(call, other, alpha, dtype))


@aten("sub", "subtract")
def sub(call: AtenCall, x: Operand, other: Operand, alpha: Operand = 1) -> Symbol:
    """``x - alpha * other``."""
    dtype = result_type(x, other)
    return ops.subtract(call.cast(x, dtype), _scaled(call, other, alpha, dtype))


@aten("rsub")
def rsub(call: AtenCall, x: Operand, other: Operand, alpha: Operand = 1) -> Symbol:
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


@aten("pow")
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
    """``x * x``; of bool, as int64."""
    return ops.cast(x, "int64") if x.dtype == "bool" else ops.square(x)


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


@aten("float_power")
def float_power(call: AtenCall, x: Operand, exponent: Operand) -> Symbol:
    """``x`` to the power of ``exponent`` in float64."""
    given = call.cast(exponent, "float64") if isinstance(exponent, (Symbol, SymbolicDim)) else float(exponent)
    return power(call, call.cast(x, "float64"), given)


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
