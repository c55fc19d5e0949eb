"""Functions of numbers beyond activations (ONNX's elementary functions), and ArgMax, CumSum, GatherElements, TopK."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.operators.elementwise import Binary
from sofie_jit.ir.operators.operator import (
    BATCH,
    ROperator,
    TensorType,
    common_dtype,
    float_dtype,
    format_shape,
    normalize_axis,
    static_dim,
)

# -- element by element ----------------------------------------------------------------------------------------------


class Unary(ROperator):
    """A function of every number by itself; input and output have one type and shape."""

    integers: ClassVar[bool] = False
    """Whether it is defined for integers too."""

    def infer(self, x: TensorType) -> TensorType:
        float_dtype(self.op_type, x, integers=self.integers)
        return x


class Neg(Unary):
    """``-x``."""

    integers = True


class Abs(Unary):
    """``|x|``."""

    integers = True


class Sign(Unary):
    """-1, 0 or 1; NaN of NaN."""

    integers = True


class Square(Unary):
    """``x * x``."""

    integers = True


class Reciprocal(Unary):
    """``1 / x``."""


class Sqrt(Unary):
    """The square root."""


class Rsqrt(Unary):
    """``1 / Sqrt(x)``."""


class Cbrt(Unary):
    """The cube root."""


class Expm1(Unary):
    """``e^x - 1``."""


class Exp2(Unary):
    """``2^x``."""


class Log(Unary):
    """The natural logarithm."""


class Log1p(Unary):
    """``Log(1 + x)``."""


class Log2(Unary):
    """The logarithm to base 2."""


class Log10(Unary):
    """The logarithm to base 10."""


class Erf(Unary):
    """The error function."""


class Erfc(Unary):
    """``1 - Erf(x)``."""


class Floor(Unary):
    """The largest whole number up to x."""


class Ceil(Unary):
    """The smallest whole number from x."""


class Round(Unary):
    """The nearest whole number, halves to the even one."""


class Trunc(Unary):
    """The whole number towards 0."""


class Sin(Unary):
    """The sine."""


class Cos(Unary):
    """The cosine."""


class Tan(Unary):
    """The tangent."""


class Asin(Unary):
    """The inverse sine."""


class Acos(Unary):
    """The inverse cosine."""


class Atan(Unary):
    """The inverse tangent."""


class Sinh(Unary):
    """The hyperbolic sine."""


class Cosh(Unary):
    """The hyperbolic cosine."""


class Asinh(Unary):
    """The inverse hyperbolic sine."""


class Acosh(Unary):
    """The inverse hyperbolic cosine."""


class Atanh(Unary):
    """The inverse hyperbolic tangent."""


class Erfinv(Unary):
    """The inverse of the error function."""


class BesselI0(Unary):
    """The modified Bessel function of the first kind of order 0."""


class OfIntegers(Binary):
    """A function of two integers."""

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        if not (a.dtype.startswith("int") and b.dtype.startswith("int")):
            raise DtypeError(f"{self.op_type} is defined for integers, got {a} and {b}: add a Cast")
        return super().infer(a, b)


class BitwiseAnd(OfIntegers):
    """The bits that both have."""


class BitwiseOr(OfIntegers):
    """The bits that one has."""


class BitwiseXor(OfIntegers):
    """The bits that only one has."""


class BitShiftLeft(OfIntegers):
    """The bits of A moved up by B places, 0 for B out of range."""


class BitShiftRight(OfIntegers):
    """The bits of A moved down by B places, the sign staying."""


class Gcd(OfIntegers):
    """The greatest common divisor."""


class Lcm(OfIntegers):
    """The least common multiple."""


class BitwiseNot(Unary):
    """All bits turned round."""

    integers = True

    def infer(self, x: TensorType) -> TensorType:
        if not x.dtype.startswith("int"):
            raise DtypeError(f"BitwiseNot is defined for integers, got {x}: add a Cast")
        return x


class NextAfter(Binary):
    """The number next to A on the way to B."""

    integers = False


class Mod(Binary):
    """The remainder of ``A / B``, of the sign of B; an integer remainder by 0 is 0."""


class Atan2(Binary):
    """The angle of the point (B, A)."""

    integers = False


# -- along an axis ---------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class ArgMax(ROperator):
    """Where along ``axis`` the largest number is, as int32; the first of several, and the first NaN if there is one."""

    axis: int = 0
    keepdims: bool = True

    smallest: ClassVar[bool] = False

    def infer(self, x: TensorType) -> TensorType:
        axis = normalize_axis(self.op_type, self.axis, x.rank)
        if x.dtype == "bool" or x.shape[axis] == 0:
            raise DtypeError(f"{self.op_type} along axis {axis} is not defined for {x}")
        return TensorType("int32", (*x.shape[:axis], *((1,) if self.keepdims else ()), *x.shape[axis + 1 :]))

    def mixes_rows(self, x: TensorType) -> bool:
        return x.shape[self.axis] == BATCH


class ArgMin(ArgMax):
    """Where along ``axis`` the smallest number is; otherwise as ArgMax."""

    smallest = True


@dataclass(kw_only=True)
class CumSum(ROperator):
    """Sums along ``axis`` up to and with each place."""

    axis: int = 0

    function: ClassVar[str] = "cum_sum"

    def infer(self, x: TensorType) -> TensorType:
        axis = normalize_axis(self.op_type, self.axis, x.rank)
        if x.dtype == "bool" or x.shape[axis] == 0:
            raise DtypeError(f"{self.op_type} along axis {axis} is not defined for {x}")
        return x

    def mixes_rows(self, x: TensorType) -> bool:
        return x.shape[self.axis] == BATCH


class CumProd(CumSum):
    """Products along ``axis`` up to and with each place."""

    function = "cum_prod"


@dataclass(kw_only=True)
class GatherElements(ROperator):
    """``Y[..., p, ...] = data[..., indices[..., p, ...], ...]`` along ``axis``; both agree in all other axes."""

    axis: int = 0

    def infer(self, data: TensorType, indices: TensorType) -> TensorType:
        axis = normalize_axis("GatherElements", self.axis, data.rank)
        rest = [t.shape[:axis] + t.shape[axis + 1 :] for t in (data, indices)]
        if data.rank != indices.rank or rest[0] != rest[1]:
            raise ShapeError(
                f"GatherElements: data {format_shape(data.shape)} and indices {format_shape(indices.shape)} must agree "
                f"in all axes but {axis}"
            )
        if not indices.dtype.startswith("int"):
            raise DtypeError(f"GatherElements needs integer indices, got {indices}")
        return replace(data, shape=indices.shape)

    def mixes_rows(self, data: TensorType, indices: TensorType) -> bool:
        return data.shape[self.axis] == BATCH


@dataclass(kw_only=True)
class TopK(ROperator):
    """The ``k`` largest numbers along the last axis, the largest first, and where they are (int32).

    Without ``largest`` the smallest ones, the smallest first. Equal ones keep their order, NaN comes last.
    """

    k: int = 1
    largest: bool = True

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType]:
        size = static_dim("TopK", x.shape, -1) if x.rank else 0
        if not 0 <= self.k <= size or x.dtype == "bool":
            raise ShapeError(f"TopK: there are no {self.k} numbers to choose along the last axis of {x}")
        shape = (*x.shape[:-1], self.k)
        return TensorType(x.dtype, shape), TensorType("int32", shape)

    def mixes_rows(self, x: TensorType) -> bool:
        return x.shape[-1] == BATCH


@dataclass(kw_only=True)
class SearchSorted(ROperator):
    """How many numbers of a vector in ascending order are less than each number of X, as int32.

    With ``right`` those equal to it count too; NaN then lies behind all of them, otherwise before.
    """

    right: bool = False

    def infer(self, x: TensorType, ascending: TensorType) -> TensorType:
        dtype = common_dtype("SearchSorted", x, ascending)
        if ascending.rank != 1 or dtype == "bool":
            raise ShapeError(f"SearchSorted looks for numbers in a vector, not for {x} in {ascending}")
        return TensorType("int32", x.shape)
