"""Products of matrices and tensors."""

from __future__ import annotations

from typing import Any

from sofie_jit.builder import Symbol
from sofie_jit.operators.gemm import Gemm
from sofie_jit.operators.matmul import MatMul
from sofie_jit.ops.core import Value, apply, cast, promote, weight_of
from sofie_jit.ops.elementwise import multiply
from sofie_jit.ops.shapes import expand_dims, reshape, squeeze


def matmul(x1: Value, x2: Value) -> Symbol:
    """The product of matrices, in stacks, or of vectors, as numpy's."""
    a, b = promote(x1, x2)
    left, right = a.rank == 1, b.rank == 1
    a, b = (expand_dims(a, 0) if left else a), (expand_dims(b, 1) if right else b)
    product = _matmul(a, b)
    return squeeze(product, [axis for axis, gone in ((-2, left), (-1, right)) if gone]) if left or right else product


def _matmul(a: Symbol, b: Symbol) -> Symbol:
    if not a.dtype.startswith("float"):  # exact up to 2^53
        return cast(_matmul(cast(a, "float64"), cast(b, "float64")), "int32" if a.dtype == "bool" else a.dtype)
    weight = b.rank == 2 and weight_of(b) is not None
    return apply(Gemm() if weight else MatMul(), a, b)


def dot(x1: Value, x2: Value) -> Symbol:
    """Sums of products of the last axis of ``x1`` and the last but one of ``x2``, as numpy's."""
    a, b = promote(x1, x2)
    if 0 in (a.rank, b.rank):
        return multiply(a, b)
    return tensordot(a, b, ([a.rank - 1], [0 if b.rank == 1 else b.rank - 2]))


def tensordot(x1: Value, x2: Value, axes: Any = 2) -> Symbol:
    """Sums of products over the last ``axes`` of ``x1`` and the first of ``x2``, or over a list of each."""
    a, b = promote(x1, x2)
    if isinstance(axes, int):
        first, second = list(range(a.rank - axes, a.rank)), list(range(axes))
    else:
        first, second = ([n] if isinstance(n, int) else list(n) for n in axes)
    left = [chr(ord("a") + i) for i in range(a.rank)]
    right = [chr(ord("a") + a.rank + i) for i in range(b.rank)]
    for i, j in zip(first, second, strict=True):
        right[j % b.rank] = left[i % a.rank]
    summed = {left[i % a.rank] for i in first}
    kept = [n for n in left + right if n not in summed]
    return einsum(f"{''.join(left)},{''.join(right)}->{''.join(kept)}", a, b)


def outer(x1: Value, x2: Value) -> Symbol:
    """All products of an element of each."""
    a, b = promote(x1, x2)
    return multiply(reshape(a, (-1, 1)), reshape(b, (1, -1)))


def einsum(subscripts: str, *operands: Value) -> Symbol:
    """Einstein's sum; see :func:`sofie_jit.einsum.einsum`."""
    from sofie_jit import einsum as lowering

    return lowering.einsum(subscripts, *promote(*operands))
