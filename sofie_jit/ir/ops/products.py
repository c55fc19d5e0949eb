"""Products of matrices and tensors."""

from __future__ import annotations

from typing import Any

from sofie_jit.errors import ShapeError
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators import elementwise
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.ir.ops.core import Value, apply, cast, promote
from sofie_jit.ir.ops.elementwise import multiply, subtract
from sofie_jit.ir.ops.reductions import sum
from sofie_jit.ir.ops.shapes import expand_dims, moveaxis, reshape, squeeze, stack, unstack


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
    return apply(MatMul(), a, b)


def linear(x: Symbol, weight: Symbol, bias: Symbol | None = None) -> Symbol:
    """``x W + b`` over the last axis of ``x`` (..., K), with W (K, N) and b (N,): a Gemm, or MatMul and Add."""
    if x.rank == 2:
        return apply(Gemm(), x, weight, *([] if bias is None else [bias]))
    product = apply(MatMul(), x, weight)
    return product if bias is None else apply(elementwise.Add(), product, bias)


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


def inner(x1: Value, x2: Value) -> Symbol:
    """Sums of products along the last axis of both."""
    a, b = promote(x1, x2)
    return multiply(a, b) if 0 in (a.rank, b.rank) else tensordot(a, b, ([a.rank - 1], [b.rank - 1]))


def vdot(x1: Value, x2: Value) -> Symbol:
    """The sum of the products of all elements, of the whole batch."""
    a, b = promote(x1, x2)
    return sum(multiply(reshape(a, (-1,)), reshape(b, (-1,))))


def cross(x1: Value, x2: Value, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Symbol:
    """The cross product of vectors of two or three numbers along the axes; of two pairs only its third number."""
    places = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    a, b = (moveaxis(x, place, -1) for x, place in zip(promote(x1, x2), places, strict=False))
    sizes = {a.shape[-1], b.shape[-1]}
    if not sizes <= {2, 3}:
        raise ShapeError(f"cross: vectors have 2 or 3 numbers, got tensors {a.type} and {b.type}")
    u, v = ([*unstack(x, axis=-1), 0][:3] for x in (a, b))
    pairs = [(0, 1)] if sizes == {2} else [(1, 2), (2, 0), (0, 1)]
    numbers = [subtract(multiply(u[i], v[j]), multiply(u[j], v[i])) for i, j in pairs]
    return numbers[0] if sizes == {2} else moveaxis(stack(numbers, -1), -1, places[2])


def einsum(subscripts: str, *operands: Value) -> Symbol:
    """Einstein's sum; see :func:`sofie_jit.ir.ops.einstein_sum.einsum`."""
    from sofie_jit.ir.ops import einstein_sum

    return einstein_sum.einsum(subscripts, *promote(*operands))
