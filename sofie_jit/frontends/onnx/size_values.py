"""Integers that a model computes from the sizes of its inputs, in floating point on the way.

Exporters compute the sizes of a Resize as Shape, Cast to float, Mul, Floor, Cast to int64. Such a value is found by
walking back from its tensor to the sizes.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import numpy as np

from sofie_jit.frontends.onnx.values import SMALL, normalized
from sofie_jit.ir.dims import Dim, SymbolicDim, ceil_div
from sofie_jit.ir.operators import elementwise
from sofie_jit.ir.operators import math as functions
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.identity import Identity
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.sizes import Sizes
from sofie_jit.ir.operators.slice import Slice
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.size_arrays import PROVEN
from sofie_jit.ir.types import is_floating
from sofie_jit.records import dataclass

MOVES = (Concat, Gather, Identity, Reshape, Slice)
"""Operators that move elements; numpy moves any objects."""


class _UnknownError(Exception):
    """The value is no function of sizes that is found here."""


@dataclass(frozen=True, eq=False)
class Real:
    """``numerator / divisor``, a floating-point number that depends on one open size."""

    numerator: Dim
    divisor: int
    exact: np.ndarray
    """The numerator for all values of the size below 65536."""
    numbers: np.ndarray
    """The number that the model computes for these values, in its type."""

    def times(self, factor: Fraction, numbers: np.ndarray) -> Real:
        """The product with a number; ``numbers`` are those that the model computes."""
        p, q = factor.numerator, factor.denominator
        return Real(self.numerator * p, self.divisor * q, self.exact * p, numbers)

    def plus(self, offset: Fraction, numbers: np.ndarray) -> Real:
        """The sum with a number."""
        p, q = offset.numerator * self.divisor, offset.denominator
        return Real(self.numerator * q + p, self.divisor * q, self.exact * q + p, numbers)

    def rounded(self, up: bool = False) -> Real:
        """The integer below (or above) it. Raises _UnknownError if the model's floating point gives another."""
        exact = -(-self.exact // self.divisor) if up else self.exact // self.divisor
        numbers = (np.ceil if up else np.floor)(self.numbers)
        if not np.array_equal(numbers, exact):
            raise _UnknownError
        size = ceil_div(self.numerator, self.divisor) if up else self.numerator // self.divisor
        return Real(size, 1, exact, numbers)


def size_values(rmodel: RModel, name: str) -> np.ndarray | None:
    """The integers in a tensor, as numbers and expressions over open sizes; None if they are no function of sizes."""
    producers = {output: op for op in rmodel.operators for output in op.outputs if output}

    @functools.cache
    def value(tensor: str) -> np.ndarray:
        found = rmodel.initialized.get(tensor)
        if tensor in producers:
            op = producers[tensor]
            results = _result(op, [value(given) for given in op.inputs])
            found = normalized(np.asarray(results[op.outputs.index(tensor)] if len(op.outputs) > 1 else results))
        if found is None or found.size > SMALL:
            raise _UnknownError
        return found

    try:
        found = value(name)
    except (_UnknownError, RecursionError):
        return None
    return found if all(isinstance(number, (int, np.integer, SymbolicDim)) for number in found.flat) else None


def _dtype(arrays: Iterable[np.ndarray]) -> str:
    """The element type of operands, some of which are sizes or numbers that depend on them."""
    elements = [element for array in arrays if array.dtype == object for element in array.flat]
    found = {x.numbers.dtype if isinstance(x, Real) else np.dtype("int64")
             for x in elements if isinstance(x, (Real, SymbolicDim))}  # fmt: skip
    if len(found) != 1:
        raise _UnknownError
    return str(found.pop())


def _result(op: ROperator, arrays: list[np.ndarray]) -> Any:
    if isinstance(op, Sizes):
        found = np.empty(len(op.values), object)
        found[:] = op.values
        return found
    if isinstance(op, MOVES) or (op.is_foldable and all(array.dtype != object for array in arrays)):
        return op.evaluate(*arrays)
    if type(op) not in ELEMENTS:
        raise _UnknownError
    of_elements = ELEMENTS[type(op)](op, _dtype(arrays))
    return np.asarray(np.frompyfunc(of_elements, len(arrays), 1)(*(array.astype(object) for array in arrays)), object)


def _cast(op: elementwise.Cast, dtype: str) -> Callable[[Any], Any]:
    def element(x: Any) -> Any:
        if isinstance(x, Real) and is_floating(op.to):
            return Real(x.numerator, x.divisor, x.exact, x.numbers.astype(op.to))
        if isinstance(x, Real):
            if (x.numbers < 0).any():  # a number is cut towards zero
                raise _UnknownError
            return x.rounded().numerator
        if not isinstance(x, SymbolicDim):
            return np.dtype(op.to).type(x).item()
        sizes = np.arange(PROVEN)
        return Real(x, 1, sizes, sizes.astype(op.to)) if is_floating(op.to) else x

    return element


def _fraction(number: float, dtype: str) -> Fraction:
    """The simplest fraction that is this number in its type."""
    if not math.isfinite(number) or abs(number) > PROVEN:
        raise _UnknownError
    simple = Fraction(number).limit_denominator(1 << 10)
    return simple if np.dtype(dtype).type(float(simple)) == number else Fraction(number).limit_denominator(PROVEN)


def _arithmetic(name: str) -> Callable[[ROperator, str], Callable[[Any, Any], Any]]:
    """The sum, difference, product or quotient of a function of one size and a number."""

    def of_reals(dtype: str, a: Any, b: Any) -> Any:
        kind, function = np.dtype(dtype).type, getattr(np, name)
        if not isinstance(a, Real) and not isinstance(b, Real):
            return function(kind(a), kind(b)).item()
        first, second = (x.numbers if isinstance(x, Real) else kind(x) for x in (a, b))
        with np.errstate(all="ignore"):
            numbers = function(first, second)
        if isinstance(a, Real) and not isinstance(b, Real):
            number = _fraction(b, dtype)
            if name in ("add", "subtract"):
                return a.plus(number if name == "add" else -number, numbers)
            if name == "multiply" or number:
                return a.times(number if name == "multiply" else 1 / number, numbers)
        if isinstance(b, Real) and not isinstance(a, Real) and name != "divide":
            number = _fraction(a, dtype)
            if name == "multiply":
                return b.times(number, numbers)
            return (b if name == "add" else b.times(Fraction(-1), numbers)).plus(number, numbers)
        raise _UnknownError

    def of_sizes(a: Any, b: Any) -> Any:
        if name == "divide":
            if not isinstance(b, int) or b < 1:
                raise _UnknownError
            return a // b
        return {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul}[name](a, b)

    return lambda op, dtype: functools.partial(of_reals, dtype) if is_floating(dtype) else of_sizes


def _rounding(up: bool) -> Callable[[ROperator, str], Callable[[Any], Any]]:
    return lambda op, dtype: lambda x: x.rounded(up) if isinstance(x, Real) else (np.ceil if up else np.floor)(x)


ELEMENTS: dict[type[ROperator], Callable[[Any, str], Callable[..., Any]]] = {
    elementwise.Add: _arithmetic("add"),
    elementwise.Sub: _arithmetic("subtract"),
    elementwise.Mul: _arithmetic("multiply"),
    elementwise.Div: _arithmetic("divide"),
    elementwise.Cast: _cast,
    functions.Floor: _rounding(up=False),
    functions.Ceil: _rounding(up=True),
}
"""Operator -> from it and the type of its operands, the function of their elements."""
