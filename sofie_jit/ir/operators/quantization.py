"""QuantizeLinear, DequantizeLinear, and products of quantized tensors: integers q that stand for (q - zero) * scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.dims import Dim, Shape, format_shape, normalize_axis
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.geometry import image_shape, outputs_of
from sofie_jit.ir.operators.matmul import MatMul, product_shape, product_sizes
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.types import TensorType, float_dtype
from sofie_jit.records import dataclass

BYTES = ("int8", "uint8")
QUANTIZED = (*BYTES, "int16", "uint16")
"""Types of quantized tensors."""


@dataclass(kw_only=True)
class Scaled(ROperator):
    """Base of operators with a scale: one for all elements, one per index along ``axis``, or one per block.

    Inputs: X, the scale, and the zero point of the scale's shape, by default 0. A block is ``block_size`` neighbors
    along ``axis``; then the scale has the shape of X with ``ceil(size / block_size)`` along the axis.
    """

    axis: int = 1
    block_size: int = 0

    def scale_shape(self, x: TensorType, scale: TensorType, zero: TensorType | None) -> Shape:
        """The shape of the scale, () for a single one. Raises ShapeError if it does not fit X."""
        single = self.block_size == 0 and scale.shape in ((), (1,))
        if zero is not None and zero.shape != scale.shape and not (single and zero.shape in ((), (1,))):
            raise ShapeError(f"{self.op_type}: the scale {scale} and the zero point {zero} must have one shape")
        if single:
            return ()
        axis = normalize_axis(self.op_type, self.axis, x.rank)
        size = x.shape[axis]
        expected: Shape = (size,)
        if self.block_size:
            blocks = (size + self.block_size - 1) // max(self.block_size, 1)
            expected = (*x.shape[:axis], blocks, *x.shape[axis + 1 :])
        if scale.shape != expected:
            raise ShapeError(
                f"{self.op_type}: the scale {format_shape(scale.shape)} does not fit X {format_shape(x.shape)} with "
                f"axis={self.axis}, block_size={self.block_size}"
            )
        return scale.shape

    def of_elements(self, x: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Scales or zero points, which broadcast to the elements of X."""
        if self.block_size:
            return values.repeat(self.block_size, self.axis).take(range(x.shape[self.axis]), self.axis)
        return values.reshape(
            [-1 if axis == self.axis % x.ndim else 1 for axis in range(x.ndim)] if values.size > 1 else ()
        )


@dataclass(kw_only=True)
class QuantizeLinear(Scaled):
    """``saturate(round(X / scale) + zero)``, halves rounded to even; NaN becomes the smallest integer.

    X is floating-point or int32, the scale floating-point. The result has the type ``output_dtype``, by default that of
    the zero point, or uint8.

    >>> QuantizeLinear().evaluate(np.array([-1.0, 0.5, 1.5, 999.0]), np.array(1.0), np.array(10, np.uint8))
    array([  9,  10,  12, 255], dtype=uint8)
    """

    output_dtype: str | None = None

    @property
    def step(self) -> float:
        """The distance of two numbers, relative to the range of all: that of 8 bits, unless the type is known."""
        return 1 / (2**16 - 1) if self.output_dtype in ("int16", "uint16") else 1 / (2**8 - 1)

    def infer(self, x: TensorType, scale: TensorType, zero: TensorType | None = None) -> TensorType:
        float_dtype(self.op_type, scale)
        if x.dtype not in (scale.dtype, "int32"):
            raise DtypeError(f"{self.op_type}: X is {x.dtype}, but the scale is {scale.dtype}; cast one of them")
        self.scale_shape(x, scale, zero)
        dtype = self.output_dtype or (zero.dtype if zero else "uint8")
        if dtype not in QUANTIZED or (zero and zero.dtype != dtype):
            raise DtypeError(
                f"{self.op_type}: the zero point and the result must be of one of {', '.join(QUANTIZED)}, "
                f"got {zero.dtype if zero else 'none'} and {dtype}"
            )
        return TensorType(dtype, x.shape)

    def evaluate(self, x: np.ndarray, scale: np.ndarray, zero: np.ndarray | None = None) -> np.ndarray:
        dtype = np.dtype(self.output_dtype or (np.uint8 if zero is None else zero.dtype))
        scaled = self.scaled(x.astype(scale.dtype), self.of_elements(x, scale))
        limits = np.iinfo(dtype)
        whole = np.where(np.isnan(scaled), limits.min - 2.0**17, np.rint(scaled))
        shift = 0 if zero is None else self.of_elements(x, zero.astype(np.float64))
        return np.clip(whole.astype(np.float64) + shift, limits.min, limits.max).astype(dtype)

    def scaled(self, x: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """X in units of the scale."""
        return x / scale


class Requantize(QuantizeLinear):
    """``saturate(round(X * scale) + zero)``: sums of products of quantized tensors, quantized anew. Not in ONNX.

    >>> Requantize().evaluate(np.array([10, 30], np.int32), np.array(0.05), np.array(1, np.int8))
    array([1, 3], dtype=int8)
    """

    def scaled(self, x: np.ndarray, scale: np.ndarray) -> np.ndarray:
        return x * scale


class DequantizeLinear(Scaled):
    """``(X - zero) * scale``, of the scale's type.

    >>> DequantizeLinear(axis=0).evaluate(np.array([3, 5], np.uint8), np.array([0.5, 2.0]), np.array([1, 9], np.uint8))
    array([ 1., -8.])
    """

    def infer(self, x: TensorType, scale: TensorType, zero: TensorType | None = None) -> TensorType:
        dtype = float_dtype(self.op_type, scale)
        self.scale_shape(x, scale, zero)
        if x.dtype not in (*QUANTIZED, "int32") or (zero and zero.dtype != x.dtype):
            raise DtypeError(
                f"{self.op_type}: X and the zero point must be of one of {', '.join(QUANTIZED)}, int32, "
                f"got {x.dtype} and {zero.dtype if zero else 'none'}"
            )
        return TensorType(dtype, x.shape)

    def evaluate(self, x: np.ndarray, scale: np.ndarray, zero: np.ndarray | None = None) -> np.ndarray:
        wide = x.astype(np.int64)
        wide = wide if zero is None else wide - self.of_elements(x, zero.astype(np.int64))
        return wide.astype(scale.dtype) * self.of_elements(x, scale)


def check_zero_point(operator: str, tensor: TensorType, zero: TensorType | None, count: Dim) -> None:
    """Raises an error unless the zero point of a tensor of bytes is one number, or ``count`` numbers, of its type."""
    if tensor.dtype not in BYTES or (zero and zero.dtype != tensor.dtype):
        raise DtypeError(
            f"{operator} takes tensors of int8 or uint8 and zero points of the same type, got {tensor.dtype} and "
            f"{zero.dtype if zero else 'none'}"
        )
    if zero and zero.shape not in ((), (1,), (count,)):
        raise ShapeError(f"{operator}: the zero point {format_shape(zero.shape)} must have one number or {count}")


class MatMulInteger(ROperator):
    """``(A - a_zero) (B - b_zero)`` in int32; A and B are int8 or uint8, as MatMul's.

    Each zero point is one number, or one per row of A or column of B.

    >>> MatMulInteger().evaluate(np.array([[1, 2]], np.int8), np.array([[3], [4]], np.uint8), np.array(1, np.int8))
    array([[4]], dtype=int32)
    """

    def infer(
        self, a: TensorType, b: TensorType, a_zero: TensorType | None = None, b_zero: TensorType | None = None
    ) -> TensorType:
        shape = product_shape(a.shape, b.shape)
        check_zero_point("MatMulInteger", a, a_zero, a.shape[-2])
        check_zero_point("MatMulInteger", b, b_zero, b.shape[-1])
        return TensorType("int32", shape)

    def requirements(self, a: TensorType, b: TensorType, *zeros: TensorType | None) -> list[Requirement]:
        return product_sizes(a.shape, b.shape)

    def evaluate(
        self, a: np.ndarray, b: np.ndarray, a_zero: np.ndarray | None = None, b_zero: np.ndarray | None = None
    ) -> np.ndarray:
        left, right = a.astype(np.float64), b.astype(np.float64)  # exact
        left = left if a_zero is None else left - a_zero.reshape(-1, 1)
        right = right if b_zero is None else right - b_zero.reshape(-1)
        return np.matmul(left, right).astype(np.int64).astype(np.int32)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        return MatMul().flops(inputs, outputs)


@dataclass(kw_only=True)
class ConvInteger(ROperator):
    """``(X - x_zero) * (W - w_zero)`` in int32, for a convolution ``*``; X and W are int8 or uint8.

    The zero point of X is one number, that of W one or one per output channel. The image is padded by its
    zero point.

    >>> x, w = np.array([[[1, 2, 3]]], np.uint8), np.array([[[1, 10]]], np.int8)
    >>> ConvInteger(pads=[1, 0]).evaluate(x, w, np.array(1, np.uint8))
    array([[[ 0, 10, 21]]], dtype=int32)
    """

    kernel_shape: Sequence[int] | None = None
    strides: Sequence[int] | None = None
    pads: Sequence[int] | None = None
    dilations: Sequence[int] | None = None
    group: int = 1
    auto_pad: str = "NOTSET"

    @property
    def conv(self) -> Conv:
        """The convolution."""
        return Conv(**self.attributes())

    def infer(
        self, x: TensorType, w: TensorType, x_zero: TensorType | None = None, w_zero: TensorType | None = None
    ) -> TensorType:
        axes, _, outputs = self.conv.window(x, w)
        check_zero_point("ConvInteger", x, x_zero, 1)
        check_zero_point("ConvInteger", w, w_zero, outputs)
        return TensorType("int32", image_shape(x.shape[:1], outputs_of(axes), outputs, "NCHW"))

    def requirements(self, x: TensorType, w: TensorType, *zeros: TensorType | None) -> list[Requirement]:
        return self.conv.requirements(x, w)

    def evaluate(
        self, x: np.ndarray, w: np.ndarray, x_zero: np.ndarray | None = None, w_zero: np.ndarray | None = None
    ) -> np.ndarray:
        images, kernel = x.astype(np.float64), w.astype(np.float64)  # exact
        images = images if x_zero is None else images - x_zero.reshape(())
        kernel = kernel if w_zero is None else kernel - w_zero.reshape(-1, *[1] * (w.ndim - 1))
        return self.conv.evaluate(images, kernel).astype(np.int64).astype(np.int32)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        return self.conv.flops(inputs, outputs)
