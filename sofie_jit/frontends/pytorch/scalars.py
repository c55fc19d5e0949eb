"""Arithmetic of numbers while a program is translated: Python's, and that of sizes that are known only at run time."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from sofie_jit.frontends.pytorch.values import NUMBERS, Undecided
from sofie_jit.ir.dims import Dim, SymbolicDim, maximum, minimum, names_of


def _bounds(dim: Any) -> tuple[float, float]:
    if isinstance(dim, SymbolicDim):
        lower, upper = dim.bounds()
        return -math.inf if lower is None else lower, math.inf if upper is None else upper
    return dim, dim


def _of_sizes(reason: str, *numbers: Any) -> Undecided:
    """A value that open sizes among the numbers would decide."""
    return Undecided(reason, names_of(numbers))


def _compare(function: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    """Compares two numbers; undecided if the result differs for values of open sizes."""

    def compared(a: Any, b: Any) -> Any:
        if not all(isinstance(value, NUMBERS) for value in (a, b)):
            return function(a, b) if function in (operator.eq, operator.ne) else Undecided("a comparison")
        if isinstance(a, SymbolicDim) or isinstance(b, SymbolicDim):
            if not all(isinstance(value, (int, SymbolicDim)) for value in (a, b)):
                return _of_sizes(f"the comparison of {a} and {b}", a, b)
            lower, upper = _bounds(a - b)
            results = {bool(function(number, 0)) for number in (lower, upper, 0) if lower <= number <= upper}
            return results.pop() if len(results) == 1 else _of_sizes(f"the comparison of {a} and {b}", a, b)
        return bool(function(a, b))

    return compared


def _floor_divide(a: Any, b: Any) -> Any:
    return a // b


def _trunc_divide(a: Any, b: Any) -> Any:
    if isinstance(a, SymbolicDim) or isinstance(b, SymbolicDim):
        if _bounds(a)[0] < 0 or _bounds(b)[0] < 0:
            return _of_sizes(f"{a} divided by {b} and rounded towards 0", a, b)
        return a // b
    return math.trunc(a / b) if isinstance(a, float) or isinstance(b, float) else int(abs(a) // abs(b)) * _sign(a * b)


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)


def _true_divide(a: Any, b: Any) -> Any:
    if isinstance(a, SymbolicDim) or isinstance(b, SymbolicDim):
        exact = a // b if isinstance(b, int) and b > 0 and isinstance(a % b, int) and a % b == 0 else None
        return _of_sizes(f"{a} / {b}", a, b) if exact is None else Quotient(exact)
    return a / b


class Quotient:
    """A size that is a floating-point number for Python and a whole number in any case."""

    def __init__(self, dim: Dim):
        self.dim = dim


def _divide(a: Any, b: Any, rounding_mode: str | None = None) -> Any:
    functions = {None: _true_divide, "floor": _floor_divide, "trunc": _trunc_divide}
    return functions[rounding_mode](a, b)


def _power(a: Any, b: Any) -> Any:
    if isinstance(a, SymbolicDim):
        return math.prod([a] * b) if isinstance(b, int) and 0 <= b <= 8 else _of_sizes(f"{a} ** {b}", a, b)
    return a**b if abs(b) <= 64 else float(a) ** float(b)


def _int(value: Any) -> Any:
    if isinstance(value, Quotient):
        return value.dim
    return value if isinstance(value, SymbolicDim) else int(value)


def _float(value: Any) -> Any:
    return Quotient(value) if isinstance(value, SymbolicDim) else float(value)


def _whole(function: Callable[[float], int]) -> Callable[[Any], Any]:
    return lambda value: _int(value) if isinstance(value, (Quotient, SymbolicDim)) else function(value)


def _with_alpha(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda a, b, alpha=1: function(a, b if alpha == 1 else alpha * b)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": _with_alpha(operator.add),
    "sub": _with_alpha(operator.sub),
    "rsub": lambda a, b, alpha=1: b - a * alpha,
    "mul": operator.mul,
    "div": _divide,
    "true_divide": _true_divide,
    "truediv": _true_divide,
    "floordiv": _floor_divide,
    "floor_divide": _floor_divide,
    "remainder": operator.mod,
    "mod": operator.mod,
    "neg": operator.neg,
    "abs": abs,
    "pow": _power,
    "eq": _compare(operator.eq),
    "ne": _compare(operator.ne),
    "lt": _compare(operator.lt),
    "le": _compare(operator.le),
    "gt": _compare(operator.gt),
    "ge": _compare(operator.ge),
    "sym_min": minimum,
    "sym_max": maximum,
    "min": lambda *numbers: _extremum(minimum, min, numbers),
    "max": lambda *numbers: _extremum(maximum, max, numbers),
    "minimum": lambda *numbers: _extremum(minimum, min, numbers),
    "maximum": lambda *numbers: _extremum(maximum, max, numbers),
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "floor": _whole(math.floor),
    "ceil": _whole(math.ceil),
    "round": _whole(round),
    "trunc": _whole(math.trunc),
    "sym_int": _int,
    "sym_float": _float,
    "Int": _int,
    "IntImplicit": _int,
    "ScalarImplicit": lambda value: value,
    "Float": _float,
    "FloatImplicit": _float,
    "Bool": bool,
    "__not__": operator.not_,
    "sym_not": operator.not_,
    "__and__": operator.and_,
    "and_": operator.and_,
    "__or__": operator.or_,
    "or_": operator.or_,
    "item": lambda value: value,
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
}
"""Functions of numbers: names of operators in ATen, in Python's ``operator`` and in torch."""


def _extremum(of_dims: Callable[..., Any], of_numbers: Callable[..., Any], numbers: tuple[Any, ...]) -> Any:
    given = numbers[0] if len(numbers) == 1 and isinstance(numbers[0], list) else numbers
    return of_dims(*given) if any(isinstance(n, SymbolicDim) for n in given) else of_numbers(*given)


def compute(name: str, *arguments: Any, **options: Any) -> Any:
    """The result of a function of :data:`FUNCTIONS`; undecided if an argument is.

    >>> compute("add", SymbolicDim("n"), 1)
    n + 1
    """
    for value in (*arguments, *options.values()):
        if isinstance(value, Undecided):
            return value
    plain = [
        value.dim if isinstance(value, Quotient) and name not in ("Int", "sym_int") else value for value in arguments
    ]
    return FUNCTIONS[name](*plain, **options)
