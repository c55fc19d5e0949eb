"""Operations of several tensors element by element, with numpy's broadcasting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.operators.operator import (
    DTYPES,
    Dim,
    ROperator,
    Shape,
    TensorType,
    common_dtype,
    counts_rows,
    float_dtype,
    format_shape,
)


def broadcast_shapes(operator: str, *shapes: Shape) -> Shape:
    """The shape that all ``shapes`` broadcast to, aligned at their last axes; a ShapeError if there is none."""
    rank = max(map(len, shapes))
    result: list[Dim] = []
    for dims in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        sizes = {dim for dim in dims if dim != 1}
        if len(sizes) > 1:
            raise ShapeError(
                f"{operator}: shapes {', '.join(map(format_shape, shapes))} do not broadcast: "
                f"{' and '.join(map(str, dims))} in axis {len(result) - rank} must be equal or 1"
            )
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


class Broadcasting(ROperator):
    """Base of operators whose inputs broadcast to the shape of the output."""

    def mixes_rows(self, *inputs: TensorType) -> bool:
        rank = max(t.rank for t in inputs)
        return any(counts_rows(dim) and axis != t.rank - rank for t in inputs for axis, dim in enumerate(t.shape))


class Binary(Broadcasting):
    """``operation(A, B)`` on two tensors of one type, broadcast to one shape."""

    integers: ClassVar[bool] = True
    """Whether it is defined for integers too."""

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        return _infer(self, self.integers, a, b)


def _infer(operator: ROperator, integers: bool, *types: TensorType) -> TensorType:
    dtype = float_dtype(operator.op_type, *types, integers=integers)
    return TensorType(dtype, broadcast_shapes(operator.op_type, *(t.shape for t in types)))


class Add(Binary):
    """``A + B``."""


class Sub(Binary):
    """``A - B``."""


class Mul(Binary):
    """``A * B``."""


class Div(Binary):
    """``A / B``."""

    integers = False


class Pow(Binary):
    """``A`` to the power of ``B``."""

    integers = False


class PRelu(Binary):
    """``A``, and ``A * B`` below 0."""

    integers = False


class Variadic(Broadcasting):
    """One operation over any number of tensors of one type, broadcast to one shape."""

    integers: ClassVar[bool] = True
    functor_name: ClassVar[str] = ""
    """The binary operation it repeats, from the first input to the last."""

    def infer(self, *inputs: TensorType) -> TensorType:
        if not inputs:
            raise ShapeError(f"{self.op_type} needs at least one input, got none")
        return _infer(self, self.integers, *inputs)


class Max(Variadic):
    """The largest of all inputs; NaN if one is NaN."""


class Min(Variadic):
    """The smallest of all inputs; NaN if one is NaN."""


class Sum(Variadic):
    """The sum of all inputs, added from the first to the last."""

    functor_name = "Add"


class Mean(Variadic):
    """The sum of all inputs divided by their number."""

    integers = False
    functor_name = "Add"


class Comparison(Broadcasting):
    """A truth value per pair of elements of two tensors of one type, broadcast to one shape."""

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        common_dtype(self.op_type, a, b)
        return TensorType("bool", broadcast_shapes(self.op_type, a.shape, b.shape))


class Equal(Comparison):
    """``A == B``."""


class NotEqual(Comparison):
    """``A != B`` (ONNX: Not of Equal)."""


class Less(Comparison):
    """``A < B``."""


class LessOrEqual(Comparison):
    """``A <= B``."""


class Greater(Comparison):
    """``A > B``."""


class GreaterOrEqual(Comparison):
    """``A >= B``."""


class And(Comparison):
    """``A and B``, anything but 0 being true."""


class Or(Comparison):
    """``A or B``, anything but 0 being true."""


class Xor(Comparison):
    """``A or B``, but not both."""


class Not(ROperator):
    """``not X`` for truth values."""

    def infer(self, x: TensorType) -> TensorType:
        if x.dtype != "bool":
            raise DtypeError(f"Not needs bool, got {x}: add a Cast")
        return x


class Where(Broadcasting):
    """``A`` where the bool tensor ``condition`` is true, else ``B``; all three broadcast to one shape."""

    def infer(self, condition: TensorType, a: TensorType, b: TensorType) -> TensorType:
        if condition.dtype != "bool":
            raise DtypeError(f"Where needs a bool condition, got {condition}: add a Cast")
        return TensorType(common_dtype("Where", a, b), broadcast_shapes("Where", condition.shape, a.shape, b.shape))


@dataclass(kw_only=True)
class Cast(ROperator):
    """``X`` as element type ``to`` (a numpy dtype name): towards zero from float to integer, anything but 0 is true."""

    to: str = "float32"

    def infer(self, x: TensorType) -> TensorType:
        if self.to not in DTYPES:
            raise DtypeError(f"Cast: unknown element type {self.to!r}; expected one of {', '.join(DTYPES)}")
        return TensorType(self.to, x.shape)
