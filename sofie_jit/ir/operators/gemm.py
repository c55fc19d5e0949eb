"""Gemm: a matrix product with bias."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.dims import Shape, format_shape, split_count
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement, broadcast_sizes, common_size, is_repeated
from sofie_jit.ir.types import TensorType, float_dtype, is_integer
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class Gemm(ROperator):
    """``Y = alpha * A' B' + beta * C``, where A' is A, transposed if ``transA`` is set, and B' likewise.

    Inputs: A (M, K), B (K, N) and, optionally, C, which broadcasts to (M, N). Output: Y (M, N).

    >>> Gemm(transB=True).evaluate(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([0.5]))
    array([[11.5]])
    """

    alpha: float = 1.0
    beta: float = 1.0
    transA: bool = False
    transB: bool = False

    def infer(self, a: TensorType, b: TensorType, c: TensorType | None = None) -> TensorType:
        dtype = float_dtype("Gemm", a, b, c, integers=True)
        if is_integer(dtype) and not (float(self.alpha).is_integer() and float(self.beta).is_integer()):
            raise DtypeError(f"Gemm of {dtype} needs whole numbers alpha and beta, got {self.alpha} and {self.beta}")
        if b.rank != 2 or a.rank != 2:
            raise ShapeError(
                f"Gemm multiplies matrices, got A {format_shape(a.shape)} and B {format_shape(b.shape)}; "
                "MatMul multiplies tensors of more dimensions"
            )
        (m, k), (rows, n) = self._matrices(a, b)
        if common_size(k, rows) is None:
            raise ShapeError(
                f"Gemm: A {format_shape(a.shape)}{' transposed' if self.transA else ''} has {k} columns, "
                f"B {format_shape(b.shape)}{' transposed' if self.transB else ''} has {rows} rows; they must be equal"
            )
        shape = (m, n)
        if c is not None:
            padded = (1,) * (2 - c.rank) + c.shape
            if len(padded) != 2 or any(
                not is_repeated(x, y) and common_size(x, y) is None for x, y in zip(padded, shape, strict=True)
            ):
                raise ShapeError(f"Gemm: C {format_shape(c.shape)} does not broadcast to {format_shape(shape)}")
        return TensorType(dtype, shape)

    def _matrices(self, a: TensorType, b: TensorType) -> tuple[Shape, Shape]:
        """The shapes of A' and B'."""
        return a.shape[::-1] if self.transA else a.shape, b.shape[::-1] if self.transB else b.shape

    def requirements(self, a: TensorType, b: TensorType, c: TensorType | None = None) -> list[Requirement]:
        left, right = self._matrices(a, b)
        added = [] if c is None else broadcast_sizes((left[0], right[1]), c.shape)
        return [Requirement(left[1], "==", right[0]), *added]

    def evaluate(self, a: np.ndarray, b: np.ndarray, c: np.ndarray | None = None) -> np.ndarray:
        alpha, beta = (np.asarray(factor).astype(a.dtype) for factor in (self.alpha, self.beta))
        product = alpha * ((a.T if self.transA else a) @ (b.T if self.transB else b))
        return np.asarray(product if c is None else product + beta * c, a.dtype)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        b = inputs[1]
        assert b is not None
        return 2 * split_count(b.shape)[0] * split_count(outputs[0].shape[:-1])[0]
