"""Comparison, logic, bits, and choices by a condition."""

from __future__ import annotations

from typing import Any

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, Operand, aten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators import elementwise
from sofie_jit.ir.operators import math as functions

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


@aten("isin")
def isin(call: AtenCall, elements: Symbol, test_elements: Symbol, assume_unique: Any, invert: bool) -> Symbol:
    """Whether each element is one of others."""
    a, b = call.promoted(elements, test_elements)
    return ops.isin(a, b, invert=invert)
