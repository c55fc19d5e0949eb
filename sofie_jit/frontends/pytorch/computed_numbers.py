"""Arithmetic of numbers of Python that the model computes, such as ``float(x.max())``: bool, int64 and float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sofie_jit.frontends.base import NodeCall
from sofie_jit.frontends.pytorch.carried import computed_number, is_computed, number_type, plain, symbol_of
from sofie_jit.frontends.pytorch.evaluator import Evaluator
from sofie_jit.frontends.pytorch.values import NUMBERS, Tensor, Undecided, known_number
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol

COMMON = {
    "add": "add", "sub": "sub", "mul": "mul", "floordiv": "floor_divide", "floor_divide": "floor_divide",
    "remainder": "remainder", "mod": "remainder", "min": "minimum", "max": "maximum", "sym_min": "minimum",
    "sym_max": "maximum", "eq": "eq", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge",
}  # fmt: skip
"""Function of two numbers, computed in the type of both -> operator of ATen."""
FLOATING = {"div": "div", "true_divide": "div", "truediv": "div", "sqrt": "sqrt", "exp": "exp", "log": "log",
            "round": "round"}  # fmt: skip
"""Function that is computed in float64 -> operator of ATen."""
ROUNDED = {"floor": "floor", "ceil": "ceil", "trunc": "trunc"}
"""Function whose result is an int -> operator of ATen."""
UNARY = {"neg": "neg", "abs": "abs"}
LOGICAL = {"__and__": False, "and_": False, "__or__": True, "or_": True}
"""Function of two bools -> the operand that decides the result."""
CONVERSIONS = {
    "Int": "int64", "IntImplicit": "int64", "Float": "float64", "FloatImplicit": "float64", "Bool": "bool",
    "sym_int": "int64", "sym_float": "float64",
}  # fmt: skip
"""Function that converts a number -> the type of its result."""


def are_computed(values: Sequence[Any]) -> bool:
    """Whether values are numbers, of which the model computes some."""
    return any(map(is_computed, values)) and all(isinstance(v, NUMBERS) or is_computed(v) for v in values)


def compute(evaluator: Evaluator, call: NodeCall, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """The result of a function of numbers of Python; undecided if it is not supported."""
    if named or len(arguments) > 2:
        return Undecided(f"{name} of numbers that the model computes")
    if name in LOGICAL and any(isinstance(value, bool) for value in arguments):
        (known,) = (value for value in arguments if isinstance(value, bool))
        return known if known == LOGICAL[name] else next(value for value in arguments if value is not known)
    symbols = [plain(v) if is_computed(v) else symbol_of(call, known_number(v, number_type(v))) for v in arguments]
    kinds = [symbol.dtype for symbol in symbols]
    common = "float64" if "float64" in kinds else "int64"

    def called(target: str, dtype: str) -> Symbol:
        operands = [Tensor(ops.cast(symbol, dtype)) for symbol in symbols]
        found: Symbol = evaluator.call(target, operands, {}, name=call.name, label=call.label).value
        return found

    if name in COMMON and len(symbols) == 2:
        return computed_number(called(COMMON[name], common))
    if name in FLOATING:
        return computed_number(called(FLOATING[name], "float64"))
    if name in UNARY:
        return computed_number(called(UNARY[name], common))
    if name in ROUNDED:
        return computed_number(called(ROUNDED[name], "float64"), "int64")
    if name in LOGICAL and kinds == ["bool", "bool"]:
        return computed_number((ops.logical_or if LOGICAL[name] else ops.logical_and)(*symbols))
    if name in ("__not__", "sym_not"):
        return computed_number(ops.logical_not(ops.cast(symbols[0], "bool")))
    if name in CONVERSIONS or name in ("item", "ScalarImplicit"):
        return computed_number(symbols[0], CONVERSIONS.get(name, ""))
    return Undecided(f"{name} of numbers that the model computes")
