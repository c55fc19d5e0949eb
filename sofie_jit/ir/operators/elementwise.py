"""Elementwise operations on several tensors, with numpy's broadcasting, and Cast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import ClassVar

import numpy as np

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement, broadcast_shapes, broadcast_sizes
from sofie_jit.ir.rows import Rows, broadcast_rows
from sofie_jit.ir.types import DTYPES, TensorType, common_dtype, float_dtype, is_integer
from sofie_jit.records import dataclass


class Broadcasting(ROperator):
    """Base of operators whose inputs broadcast to the shape of the output."""

    def requirements(self, *inputs: TensorType) -> list[Requirement]:
        return broadcast_sizes(*(t.shape for t in inputs))

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        return broadcast_rows(types, rows)


class Binary(Broadcasting):
    """An elementwise operation on two tensors of one type, which broadcast to one shape.

    >>> Add().evaluate(np.array([[1.0], [2.0]]), np.array([10.0, 20.0]))
    array([[11., 21.],
           [12., 22.]])
    """

    integers: ClassVar[bool] = True
    """Whether it is defined for integers too."""

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        return _infer(self, self.integers, a, b)


def _infer(operator: ROperator, integers: bool, *types: TensorType) -> TensorType:
    dtype = float_dtype(operator.op_type, *types, integers=integers)
    return TensorType(dtype, broadcast_shapes(operator.op_type, *(t.shape for t in types)))


class Add(Binary):
    """``A + B``."""

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        a, b = (known.integers for known in rows)
        return replace(broadcast_rows(types, rows), integers=a + b if a and b else None)

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.add(a, b)


class Sub(Binary):
    """``A - B``."""

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.subtract(a, b)


class Mul(Binary):
    """``A * B``."""

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        a, b = (known.integers for known in rows)
        return replace(broadcast_rows(types, rows), integers=a * b if a and b else None)

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.multiply(a, b)


class Div(Binary):
    """``A / B``; of integers rounded towards 0, and 0 if ``B`` is 0.

    >>> Div().evaluate(np.array([7, -7, 7]), np.array([2, 2, 0]))
    array([ 3, -3,  0])
    """

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if a.dtype.kind == "f":
            return np.divide(a, b)
        divisor = np.where(b == 0, b.dtype.type(1), b)
        below = np.floor_divide(a, divisor)
        inexact = (below * divisor != a) & ((a < 0) != (b < 0))
        return np.where(b == 0, b.dtype.type(0), below + inexact.astype(a.dtype))


class Pow(Binary):
    """``A`` to the power of ``B``; of integers the integer part.

    >>> Pow().evaluate(np.array([3, 2, -1, 0]), np.array([4, -1, -3, -1]))
    array([81,  0, -1,  0])
    """

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if a.dtype.kind == "f":
            return np.power(a, b)
        powers = np.power(a, np.where(b < 0, b.dtype.type(0), b))
        inverse = np.where(abs(a) == 1, np.where(b % 2 == 0, powers, a), a.dtype.type(0))
        return np.where(b < 0, inverse, powers)


class PRelu(Binary):
    """``A`` from 0 on, ``A * B`` below."""

    integers = False

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(a < 0, a * b, a)


class Variadic(Broadcasting):
    """An elementwise operation on one or more tensors of one type, which broadcast to one shape.

    >>> Mean().evaluate(np.array([1.0, 2.0]), np.array([3.0, 6.0]))
    array([2., 4.])
    """

    integers: ClassVar[bool] = True
    functor_name: ClassVar[str] = ""
    """The binary operation that the kernel repeats, from the first input to the last."""

    def infer(self, *inputs: TensorType) -> TensorType:
        if not inputs:
            raise ShapeError(f"{self.op_type} needs at least one input, got none")
        return _infer(self, self.integers, *inputs)


class Max(Variadic):
    """The maximum of all inputs; NaN if one is NaN."""

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return reduce(np.maximum, inputs)


class Min(Variadic):
    """The minimum of all inputs; NaN if one is NaN."""

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return reduce(np.minimum, inputs)


class Sum(Variadic):
    """The sum of all inputs, added from the first to the last."""

    functor_name = "Add"

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return reduce(np.add, inputs)


class Mean(Variadic):
    """The sum of all inputs divided by their number."""

    integers = False
    functor_name = "Add"

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return reduce(np.add, inputs) / len(inputs)


class Comparison(Broadcasting):
    """A truth value for each pair of elements of two tensors of one type, which broadcast to one shape.

    >>> Less().evaluate(np.array([1, 2, 3]), np.array(2))
    array([ True, False, False])
    """

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        common_dtype(self.op_type, a, b)
        return TensorType("bool", broadcast_shapes(self.op_type, a.shape, b.shape))


class Equal(Comparison):
    """``A == B``."""

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.equal(a, b)


class NotEqual(Comparison):
    """``A != B`` (in ONNX Not of Equal)."""

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.not_equal(a, b)


class Less(Comparison):
    """``A < B``."""

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.less(a, b)


class LessOrEqual(Comparison):
    """``A <= B``."""

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.less_equal(a, b)


class Greater(Comparison):
    """``A > B``."""

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.greater(a, b)


class GreaterOrEqual(Comparison):
    """``A >= B``."""

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.greater_equal(a, b)


class And(Comparison):
    """``A and B``; every number except 0 is true."""

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.logical_and(a, b)


class Or(Comparison):
    """``A or B``; every number except 0 is true."""

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.logical_or(a, b)


class Xor(Comparison):
    """``A or B``, but not both; every number except 0 is true."""

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.logical_xor(a, b)


class Not(ROperator):
    """``not X`` for truth values."""

    def mixes_places(self, axis: int, x: TensorType) -> bool:
        return False

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype != "bool":
            raise DtypeError(f"Not needs bool, got {x}: cast it")
        return x

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.logical_not(x)


class Where(Broadcasting):
    """``X`` where the bool tensor ``condition`` is true, else ``Y``; all three broadcast to one shape.

    >>> Where().evaluate(np.array([True, False]), np.array([1, 2]), np.array(7))
    array([1, 7])
    """

    def infer(self, condition: TensorType, x: TensorType, y: TensorType) -> TensorType:
        if condition.dtype != "bool":
            raise DtypeError(f"Where needs a bool condition, got {condition}: cast it")
        return TensorType(common_dtype("Where", x, y), broadcast_shapes("Where", condition.shape, x.shape, y.shape))

    def evaluate(self, condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.where(condition, x, y)


@dataclass(kw_only=True)
class Cast(ROperator):
    """``X`` as element type ``to``, one of :data:`~sofie_jit.ir.types.DTYPES`.

    Integers wrap around. From float to integer the fraction is cut off; a number that does not fit into 32 bits (for
    int64, uint32 and uint64 64 bits), NaN included, becomes the smallest such integer, and is then wrapped around. This
    is the conversion of x86 processors; ONNX leaves it open. Every number except 0 is true.

    >>> Cast(to="int32").evaluate(np.array([-1.5, 2.9, np.nan]))
    array([         -1,           2, -2147483648], dtype=int32)
    """

    to: str

    def retype(self, dtypes: Mapping[str, str]) -> None:
        self.to = dtypes.get(self.to, self.to)

    def infer(self, x: TensorType) -> TensorType:
        if self.to not in DTYPES:
            raise DtypeError(f"Cast: unknown element type {self.to!r}; expected one of {', '.join(DTYPES)}")
        return TensorType(self.to, x.shape)

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        wide = self.to in ("int32", "int64")  # every index fits
        return rows[0] if wide else rows[0].plain()

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return _whole(x, self.to) if x.dtype.kind == "f" and is_integer(self.to) else x.astype(self.to)


def _whole(x: np.ndarray, to: str) -> np.ndarray:
    """The integer parts of floating-point numbers as the integer type ``to``."""
    x = x.astype(np.float32) if x.dtype == np.float16 else x
    wide = np.dtype("int64" if to in ("int64", "uint32", "uint64") else "int32")
    high = (x >= 2.0**63) & (to == "uint64")  # one bit more than int64
    x = np.where(high, x - x.dtype.type(2.0**63), x)
    limit = -float(np.iinfo(wide).min)
    fits = (x >= -limit) & (x < limit)
    whole = np.where(fits, np.where(fits, x, 0).astype(wide), np.iinfo(wide).min).astype(to)
    return np.where(high, whole ^ np.asarray(1 << 63, to), whole) if to == "uint64" else whole
