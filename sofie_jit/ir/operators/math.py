"""Elementwise mathematical functions besides activations, and ArgMax, CumSum, GatherElements, TopK, SearchSorted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.dims import Dim, bind_shape, bounds, format_shape, normalize_axis, static_dims
from sofie_jit.ir.operators import _special
from sofie_jit.ir.operators._indices import checked_indices
from sofie_jit.ir.operators.elementwise import Binary
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement, common_size, equal_sizes
from sofie_jit.ir.rows import Interval, Rows
from sofie_jit.ir.types import TensorType, common_dtype, float_dtype, is_integer
from sofie_jit.records import dataclass

Function = Callable[..., Any]

# -- elementwise -----------------------------------------------------------------------------------------------------


class Unary(ROperator):
    """An elementwise function; input and output have the same type and shape.

    >>> Sqrt().evaluate(np.array([4.0, 9.0]))
    array([2., 3.])
    """

    integers: ClassVar[bool] = False
    """Whether it is defined for integers too."""
    function: ClassVar[Function]
    """Its definition in numpy."""

    def infer(self, x: TensorType) -> TensorType:
        float_dtype(self.op_type, x, integers=self.integers)
        return x

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return self.function(x)

    def mixes_places(self, axis: int, x: TensorType) -> bool:
        return False


class Neg(Unary):
    """``-x``."""

    integers = True
    function = np.negative


class Abs(Unary):
    """``|x|``."""

    integers = True
    function = np.abs


class Sign(Unary):
    """-1, 0 or 1; NaN for NaN."""

    integers = True
    function = np.sign


class Square(Unary):
    """``x * x``."""

    integers = True
    function = np.square


class Reciprocal(Unary):
    """``1 / x``."""

    function = np.reciprocal


class Sqrt(Unary):
    """The square root."""

    function = np.sqrt


class Rsqrt(Unary):
    """``1 / Sqrt(x)``."""

    function = staticmethod(lambda x: 1 / np.sqrt(x))


class Cbrt(Unary):
    """The cube root."""

    function = np.cbrt


class Expm1(Unary):
    """``e^x - 1``."""

    function = np.expm1


class Exp2(Unary):
    """``2^x``."""

    function = np.exp2


class Log(Unary):
    """The natural logarithm."""

    function = np.log


class Log1p(Unary):
    """``Log(1 + x)``."""

    function = np.log1p


class Log2(Unary):
    """The logarithm to base 2."""

    function = np.log2


class Log10(Unary):
    """The logarithm to base 10."""

    function = np.log10


class Erf(Unary):
    """The error function."""

    function = staticmethod(_special.erf)


class Erfc(Unary):
    """``1 - Erf(x)``, without cancellation."""

    function = staticmethod(_special.erfc)


class Floor(Unary):
    """The largest integer not above x."""

    function = np.floor


class Ceil(Unary):
    """The smallest integer not below x."""

    function = np.ceil


class Round(Unary):
    """The nearest integer; halfway between two, the even one."""

    function = np.rint


class Trunc(Unary):
    """The integer part: x rounded towards 0."""

    function = np.trunc


class Sin(Unary):
    """The sine."""

    function = np.sin


class Cos(Unary):
    """The cosine."""

    function = np.cos


class Tan(Unary):
    """The tangent."""

    function = np.tan


class Asin(Unary):
    """The inverse sine."""

    function = np.arcsin


class Acos(Unary):
    """The inverse cosine."""

    function = np.arccos


class Atan(Unary):
    """The inverse tangent."""

    function = np.arctan


class Sinh(Unary):
    """The hyperbolic sine."""

    function = np.sinh


class Cosh(Unary):
    """The hyperbolic cosine."""

    function = np.cosh


class Asinh(Unary):
    """The inverse hyperbolic sine."""

    function = np.arcsinh


class Acosh(Unary):
    """The inverse hyperbolic cosine."""

    function = np.arccosh


class Atanh(Unary):
    """The inverse hyperbolic tangent."""

    function = np.arctanh


class Erfinv(Unary):
    """The inverse of the error function."""

    function = staticmethod(_special.erf_inverse)


class BesselI0(Unary):
    """The modified Bessel function of the first kind of order 0."""

    function = staticmethod(_special.bessel_i0)


class OfIntegers(Binary):
    """A function of two integers."""

    function: ClassVar[Function]
    """Its definition in numpy."""

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        if not (is_integer(a.dtype) and is_integer(b.dtype)):
            raise DtypeError(f"{self.op_type} is defined for integers, got {a} and {b}: cast them")
        return super().infer(a, b)

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return self.function(a, b)


class BitwiseAnd(OfIntegers):
    """The bits set in both."""

    function = np.bitwise_and


class BitwiseOr(OfIntegers):
    """The bits set in at least one."""

    function = np.bitwise_or


class BitwiseXor(OfIntegers):
    """The bits set in only one."""

    function = np.bitwise_xor


class BitShiftLeft(OfIntegers):
    """``A << B``; 0 if B is negative or not smaller than the number of bits (ONNX's BitShift, direction LEFT)."""

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        valid = (b >= 0) & (b < 8 * b.itemsize)
        return np.where(valid, a << np.where(valid, b, b.dtype.type(0)), a.dtype.type(0))


class BitShiftRight(OfIntegers):
    """``A >> B`` with the sign kept; if B is out of range, only the sign (ONNX's BitShift, direction RIGHT).

    >>> BitShiftRight().evaluate(np.array([-8, 8]), np.array([1, 64]))
    array([-4,  0])
    """

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        bits = 8 * b.itemsize
        valid = (b >= 0) & (b < bits)
        beyond = a >> b.dtype.type(bits - 1) if a.dtype.kind == "i" else np.zeros_like(a)
        return np.where(valid, a >> np.where(valid, b, b.dtype.type(0)), beyond)


class Gcd(OfIntegers):
    """The greatest common divisor."""

    function = np.gcd


class Lcm(OfIntegers):
    """The least common multiple."""

    function = np.lcm


class BitwiseNot(Unary):
    """All bits inverted."""

    integers = True
    function = np.invert

    def infer(self, x: TensorType) -> TensorType:
        if not is_integer(x.dtype):
            raise DtypeError(f"BitwiseNot is defined for integers, got {x}: cast it")
        return x


class NextAfter(Binary):
    """The next representable number after A in the direction of B."""

    integers = False

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.nextafter(a, b)


@dataclass(kw_only=True)
class Mod(Binary):
    """The remainder of ``A / B`` with the sign of B, or with ``fmod`` that of A; an integer modulo 0 is 0.

    Beyond ONNX, both are defined for integers and for floating-point numbers.

    >>> Mod().evaluate(np.array([7, -7]), np.array([3, 3]))
    array([1, 2])
    """

    fmod: bool = False

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.fmod(a, b) if self.fmod else np.mod(a, b)


class Atan2(Binary):
    """The angle of the point (B, A)."""

    integers = False

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.arctan2(a, b)


# -- along an axis ---------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class ArgMax(ROperator):
    """The index of the maximum along ``axis``, as int32 (in ONNX int64).

    Of several maxima the first counts, or with ``select_last_index`` the last. NaN counts as the maximum.

    >>> ArgMax(axis=1, keepdims=False).evaluate(np.array([[1, 3, 3], [2, 1, 0]]))
    array([1, 0], dtype=int32)
    """

    axis: int = 0
    keepdims: bool = True
    select_last_index: bool = False

    smallest: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        axis = normalize_axis(self.op_type, self.axis, x.rank)
        if x.dtype == "bool" or x.shape[axis] == 0:
            raise DtypeError(f"{self.op_type} along axis {axis} is not defined for {x}")
        return TensorType("int32", (*x.shape[:axis], *((1,) if self.keepdims else ()), *x.shape[axis + 1 :]))

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        values = np.flip(x, self.axis) if self.select_last_index else x
        found = (np.argmin if self.smallest else np.argmax)(values, self.axis, keepdims=self.keepdims)
        return (x.shape[self.axis] - 1 - found if self.select_last_index else found).astype(np.int32)

    def mixes_places(self, axis: int, x: TensorType) -> bool:
        return axis == normalize_axis(self.op_type, self.axis, x.rank)

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        (x,), known = types, self.same_rows(types, rows)
        assert x is not None
        before = 0 if self.keepdims else normalize_axis(self.op_type, self.axis, x.rank)
        axis = known.axis if known.axis is None or self.keepdims or known.axis < before else known.axis - 1
        return Rows(axis, known.inner, Interval(0, x.shape[self.axis] - 1))


class ArgMin(ArgMax):
    """The index of the minimum along ``axis``; otherwise like ArgMax."""

    smallest = True


@dataclass(kw_only=True)
class CumSum(ROperator):
    """Cumulative sums along ``axis``.

    With ``exclusive``, an element is the sum of those before it without itself; with ``reverse``, sums start at the
    end of the axis.

    >>> CumSum(axis=0).evaluate(np.array([1, 2, 3]))
    array([1, 3, 6])
    """

    axis: int
    exclusive: bool = False
    reverse: bool = False

    function: ClassVar[str] = "cum_sum"
    """The kernel's name."""

    def infer(self, x: TensorType) -> TensorType:
        axis = normalize_axis(self.op_type, self.axis, x.rank)
        if x.dtype == "bool" or x.shape[axis] == 0:
            raise DtypeError(f"{self.op_type} along axis {axis} is not defined for {x}")
        return x

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        product = self.function == "cum_prod"
        rows = np.moveaxis(x, self.axis, -1)
        rows = rows[..., ::-1] if self.reverse else rows
        if self.exclusive:
            rows = np.concatenate([np.full_like(rows[..., :1], product), rows[..., :-1]], -1)
        y = (np.cumprod if product else np.cumsum)(rows, -1, x.dtype)
        return np.moveaxis(y[..., ::-1] if self.reverse else y, -1, self.axis)

    def mixes_places(self, axis: int, x: TensorType) -> bool:
        return axis == normalize_axis(self.op_type, self.axis, x.rank)


class CumProd(CumSum):
    """Cumulative products along ``axis``; otherwise like CumSum."""

    function = "cum_prod"


@dataclass(kw_only=True)
class GatherElements(ROperator):
    """``Y[..., p, ...] = data[..., indices[..., p, ...], ...]`` along ``axis``; both agree in all other axes.

    Negative indices count from the end. An index out of range makes ``infer`` of the compiled model raise
    OutOfRangeError.

    >>> GatherElements(axis=1).evaluate(np.array([[1, 2], [3, 4]]), np.array([[0], [-1]]))
    array([[1],
           [4]])
    """

    axis: int = 0

    def infer(self, data: TensorType, indices: TensorType) -> TensorType:
        axis = normalize_axis("GatherElements", self.axis, data.rank)
        rest = [t.shape[:axis] + t.shape[axis + 1 :] for t in (data, indices)]
        if data.rank != indices.rank or None in map(common_size, *rest):
            raise ShapeError(
                f"GatherElements: data {format_shape(data.shape)} and indices {format_shape(indices.shape)} must agree "
                f"in all axes but {axis}"
            )
        if not is_integer(indices.dtype):
            raise DtypeError(f"GatherElements needs integer indices, got {indices}")
        return replace(data, shape=indices.shape)

    def requirements(self, data: TensorType, indices: TensorType) -> list[Requirement]:
        axis = normalize_axis("GatherElements", self.axis, data.rank)
        return equal_sizes(*(t.shape[:axis] + t.shape[axis + 1 :] for t in (data, indices)))

    def evaluate(self, data: np.ndarray, indices: np.ndarray) -> np.ndarray:
        places = checked_indices("GatherElements", indices, data.shape[self.axis])
        return np.take_along_axis(data, places, self.axis)

    def mixes_places(self, axis: int, data: TensorType, indices: TensorType) -> bool:
        return axis == normalize_axis("GatherElements", self.axis, data.rank)


@dataclass(kw_only=True)
class TopK(ROperator):
    """The ``K`` largest elements along ``axis`` in descending order, and their indices, int32 (in ONNX int64).

    Without ``largest`` the smallest ones, in ascending order. Equal elements keep their order, NaN comes last. Without
    ``sorted`` the order is not specified; here it is the same.

    >>> values, indices = TopK(K=2).evaluate(np.array([1.0, 3.0, 2.0]))
    >>> print(values, indices)
    [3. 2.] [1 2]
    """

    K: Dim
    axis: int = -1
    largest: bool = True
    sorted: bool = True

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType]:
        axis = normalize_axis("TopK", self.axis, x.rank) if x.rank else 0
        size = x.shape[axis] if x.rank else 0
        if bounds(self.K)[0] < 0 or Requirement(self.K, "<=", size).holds is False or x.dtype == "bool":
            raise ShapeError(f"TopK: there are no {self.K} numbers to choose along axis {self.axis} of {x}")
        shape = (*x.shape[:axis], self.K, *x.shape[axis + 1 :])
        return TensorType(x.dtype, shape), TensorType("int32", shape)

    def bind(self, sizes: Mapping[str, int]) -> None:
        (self.K,) = bind_shape((self.K,), sizes)

    def requirements(self, x: TensorType) -> list[Requirement]:
        return [Requirement(self.K, "<=", x.shape[self.axis])]

    def evaluate(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # -x would leave the smallest integer where it is
        keys = x if not self.largest else -x if x.dtype.kind == "f" else ~x
        order = np.argsort(keys, self.axis, kind="stable").take(range(*static_dims("TopK", (self.K,), "K")), self.axis)
        return np.take_along_axis(x, order, self.axis), order.astype(np.int32)

    def mixes_places(self, axis: int, x: TensorType) -> bool:
        return axis == normalize_axis("TopK", self.axis, x.rank)

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> tuple[Rows, Rows]:
        (x,), known = types, self.same_rows(types, rows)
        assert x is not None
        return known, replace(known, integers=Interval(0, x.shape[self.axis] - 1))


@dataclass(kw_only=True)
class SearchSorted(ROperator):
    """For each element of X, the number of elements of an ascending vector that are less than it, as int32.

    With ``right`` the elements equal to it count too; NaN then counts as larger than all elements, otherwise as
    smaller. Not in ONNX.

    >>> SearchSorted(right=True).evaluate(np.array([0.0, 1.0, 5.0]), np.array([1.0, 2.0]))
    array([0, 1, 2], dtype=int32)
    """

    right: bool = False

    def infer(self, x: TensorType, ascending: TensorType) -> TensorType:
        dtype = common_dtype("SearchSorted", x, ascending)
        if ascending.rank != 1 or dtype == "bool":
            raise ShapeError(f"SearchSorted looks for numbers in a vector, not for {x} in {ascending}")
        return TensorType("int32", x.shape)

    def evaluate(self, x: np.ndarray, ascending: np.ndarray) -> np.ndarray:
        places = np.searchsorted(ascending, x, "right" if self.right else "left")
        return np.where(np.isnan(x) & (not self.right), 0, places).astype(np.int32)
