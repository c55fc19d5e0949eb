"""Products of tensors, through Einstein sums."""

from __future__ import annotations

from typing import Any

from sofie_jit.errors import ShapeError
from sofie_jit.ir.ops.core import TensorLike, promote
from sofie_jit.ir.ops.einstein_sum import einsum
from sofie_jit.ir.ops.elementwise import multiply, subtract
from sofie_jit.ir.ops.reductions import sum
from sofie_jit.ir.ops.shapes import moveaxis, reshape, stack, unstack
from sofie_jit.ir.symbol import Symbol


def dot(x1: TensorLike, x2: TensorLike) -> Symbol:
    """Sums of products over the last axis of ``x1`` and the last but one of ``x2``, as ``numpy.dot``."""
    a, b = promote(x1, x2)
    if 0 in (a.rank, b.rank):
        return multiply(a, b)
    return tensordot(a, b, ([a.rank - 1], [0 if b.rank == 1 else b.rank - 2]))


def tensordot(x1: TensorLike, x2: TensorLike, axes: Any = 2) -> Symbol:
    """Sums of products over several axes of both operands, as ``numpy.tensordot``.

    ``axes`` is a number n, for the last n axes of ``x1`` and the first n of ``x2``, or a pair of lists of axes. The
    other axes of ``x1`` come first in the result, then those of ``x2``.

    >>> ops.tensordot(x, np.ones((3, 2, 5), np.float32), axes=([2, 1], [0, 1])).shape
    (batch, 5)
    """
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


def outer(x1: TensorLike, x2: TensorLike) -> Symbol:
    """The product of every element of ``x1`` with every element of ``x2``: (size of x1, size of x2)."""
    a, b = promote(x1, x2)
    return multiply(reshape(a, (-1, 1)), reshape(b, (1, -1)))


def inner(x1: TensorLike, x2: TensorLike) -> Symbol:
    """Sums of products over the last axes of both operands, as ``numpy.inner``."""
    a, b = promote(x1, x2)
    return multiply(a, b) if 0 in (a.rank, b.rank) else tensordot(a, b, ([a.rank - 1], [b.rank - 1]))


def vdot(x1: TensorLike, x2: TensorLike) -> Symbol:
    """The sum of the products of all elements, across the batch: a scalar."""
    a, b = promote(x1, x2)
    return sum(multiply(reshape(a, (-1,)), reshape(b, (-1,))))


def cross(
    x1: TensorLike, x2: TensorLike, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Symbol:
    """The cross product of vectors of 2 or 3 elements along the given axes, as ``numpy.cross``.

    Two vectors of 2 elements give only the third component, without an axis. Raises ShapeError for other sizes.
    """
    vector_axes = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    a, b = (moveaxis(x, at, -1) for x, at in zip(promote(x1, x2), vector_axes, strict=False))
    sizes = {a.shape[-1], b.shape[-1]}
    if not sizes <= {2, 3}:
        raise ShapeError(f"cross: vectors have 2 or 3 elements, got tensors {a.type} and {b.type}")
    u, v = ([*unstack(x, axis=-1), 0][:3] for x in (a, b))
    pairs = [(0, 1)] if sizes == {2} else [(1, 2), (2, 0), (0, 1)]
    components = [subtract(multiply(u[i], v[j]), multiply(u[j], v[i])) for i, j in pairs]
    return components[0] if sizes == {2} else moveaxis(stack(components, -1), -1, vector_axes[2])
