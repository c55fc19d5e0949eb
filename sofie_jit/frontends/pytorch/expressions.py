"""Sizes in a file as text of sympy: ``"Add(Symbol('s0', integer=True), Integer(1))"`` or ``"s0 + 1"``."""

from __future__ import annotations

import ast
import functools
import math
import operator
from collections.abc import Callable
from typing import Any

from sofie_jit.errors import ModelFileError
from sofie_jit.ir.dims import Dim, SymbolicDim, maximum, minimum

MAX_TEXT = 10_000

BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Integer": lambda value: value,
    "Add": lambda *values: functools.reduce(operator.add, values),
    "Mul": lambda *values: math.prod(values),
    "Pow": lambda base, exponent: math.prod([base] * min(exponent, 64)),
    "FloorDiv": operator.floordiv,
    "CleanDiv": operator.floordiv,
    "Mod": operator.mod,
    "PythonMod": operator.mod,
    "Max": maximum,
    "Min": minimum,
}


def size(text: str) -> Dim:
    """The size that a text describes. Raises ModelFileError for anything else.

    >>> size("Mul(Integer(4), Symbol('s56', positive=True, integer=True))")
    4*s56
    """
    try:
        if len(text) > MAX_TEXT:
            raise ValueError("it is too long")
        found = _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, KeyError, RecursionError, MemoryError, ZeroDivisionError) as error:
        raise ModelFileError(f"the size {text!r:.200} is not supported ({error})") from error
    if isinstance(found, (int, SymbolicDim)):
        return found
    raise ModelFileError(f"the size {text!r:.200} is not an integer")


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name):
        return SymbolicDim(node.id)
    if isinstance(node, ast.BinOp):
        return BINARY[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "Symbol" and isinstance(node.args[0], ast.Constant):
            return SymbolicDim(str(node.args[0].value))
        return FUNCTIONS[node.func.id](*map(_value, node.args))
    raise ValueError(f"it contains {type(node).__name__}")
