"""Products of matrices."""

from __future__ import annotations

from sofie_jit.ir.operators.elementwise import Add
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.ir.ops.core import TensorLike, apply, countable, promote
from sofie_jit.ir.ops.shapes import expand_dims, squeeze
from sofie_jit.ir.symbol import Symbol


def matmul(x1: TensorLike, x2: TensorLike) -> Symbol:
    """Matrix product over the last two axes, as ``numpy.matmul``: (..., m, k) and (..., k, n) give (..., m, n).

    Leading axes broadcast; an operand of one axis is a row on the left and a column on the right. Raises ShapeError if
    the sizes k differ.

    >>> ops.matmul(x, np.ones((3, 4), np.float32))
    <Symbol 'matmul' float32 (batch, 2, 4)>
    """
    a, b = promote(x1, x2)
    left, right = a.rank == 1, b.rank == 1
    a, b = (expand_dims(a, 0) if left else a), (expand_dims(b, 1) if right else b)
    product = _matmul(a, b)
    return squeeze(product, [axis for axis, gone in ((-2, left), (-1, right)) if gone]) if left or right else product


def _matmul(a: Symbol, b: Symbol) -> Symbol:
    return apply(MatMul(), countable(a), countable(b))


def linear(x: Symbol, weight: Symbol, bias: Symbol | None = None) -> Symbol:
    """``x W + b`` over the last axis of ``x`` (..., k), with W (k, n) and b (n,); the result is (..., n).

    It is a Gemm for two axes, otherwise MatMul and Add. Raises ShapeError if the sizes k differ.

    >>> weight, bias = x.builder.constant(np.ones((3, 4), np.float32)), x.builder.constant(np.ones(4, np.float32))
    >>> ops.linear(x, weight, bias).shape
    (batch, 2, 4)
    """
    if x.rank == 2:
        return apply(Gemm(), x, weight, *([] if bias is None else [bias]))
    product = apply(MatMul(), x, weight)
    return product if bias is None else apply(Add(), product, bias)
