"""MatMul: the product of two stacks of matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import Shape, format_shape, split_count
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement, broadcast_shapes, broadcast_sizes, common_size
from sofie_jit.ir.rows import Rows, RowsMixedError, common_rows
from sofie_jit.ir.types import TensorType, float_dtype


class MatMul(ROperator):
    """``Y = A B`` as in numpy.matmul: A (..., M, K), B (..., K, N), output (..., M, N); leading axes broadcast.

    >>> MatMul().evaluate(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        return TensorType(float_dtype("MatMul", a, b, integers=True), product_shape(a.shape, b.shape))

    def requirements(self, a: TensorType, b: TensorType) -> list[Requirement]:
        return product_sizes(a.shape, b.shape)

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.matmul(a, b)

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        a, b = types
        assert a is not None
        assert b is not None
        return product_rows(a.rank, b.rank, *rows)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        a = inputs[0]
        assert a is not None
        return 2 * split_count(a.shape[-1:])[0] * split_count(outputs[0].shape)[0]


def product_shape(a: Shape, b: Shape) -> Shape:
    """The shape of ``A B``. Raises ShapeError if the product is not defined."""
    if len(a) < 2 or len(b) < 2 or common_size(a[-1], b[-2]) is None:
        raise ShapeError(f"MatMul needs A (..., M, K) and B (..., K, N), got {format_shape(a)} and {format_shape(b)}")
    return (*broadcast_stack(a[:-2], b[:-2]), a[-2], b[-1])


def product_sizes(a: Shape, b: Shape) -> list[Requirement]:
    """What must hold so that there is a product ``A B``."""
    return [Requirement(a[-1], "==", b[-2]), *(broadcast_sizes(a[:-2], b[:-2]) if len(a) > 2 or len(b) > 2 else [])]


def product_rows(rank_a: int, rank_b: int, a: Rows, b: Rows) -> Rows:
    """The place of the batch's rows in ``A B``. Raises RowsMixedError if they depend on each other."""
    if a.axis == rank_a - 1 or b.axis == rank_b - 2:
        raise RowsMixedError  # the sum goes over rows
    rank = max(rank_a, rank_b)
    return common_rows([a.behind(rank - rank_a), b.behind(rank - rank_b)])


def broadcast_stack(a: Shape, b: Shape) -> Shape:
    """The shape that the leading axes ``a`` and ``b`` of two stacks of matrices broadcast to. Raises ShapeError."""
    return broadcast_shapes("MatMul", a, b)
