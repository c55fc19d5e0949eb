"""Products of matrices and tensors."""

from __future__ import annotations

from typing import Any

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, Operand, aten
from sofie_jit.frontends.pytorch.promotion import result_type
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.types import is_floating


@aten("linear")
def linear(call: AtenCall, input: Symbol, weight: Symbol, bias: Symbol | None) -> Symbol:
    """``input weight^T + bias`` over the last axis."""
    if weight.rank == 1:
        product = ops.matmul(input, weight)
        return product if bias is None else ops.add(product, bias)
    if input.rank == 1:
        return ops.reshape(linear(call, ops.reshape(input, (1, *input.shape)), weight, bias), (weight.shape[0],))
    if input.rank == 2 and bias is not None and bias.rank == 1:
        return call.add(Gemm(transB=True), input, weight, bias)
    product = ops.matmul(input, ops.transpose(weight))
    return product if bias is None else ops.add(product, bias)


@aten("matmul", "mm", "bmm", "mv", "dot", "linalg_matmul")
def matmul(
    call: AtenCall,
    x: Symbol,
    other: Symbol | None = None,
    mat2: Symbol | None = None,
    vec: Symbol | None = None,
    tensor: Symbol | None = None,
) -> Symbol:
    """The product of matrices, of stacks of matrices, or of vectors."""
    right = next(value for value in (other, mat2, vec, tensor) if value is not None)
    return ops.matmul(x, right)


def _scaled(x: Symbol, factor: Any) -> Symbol:
    return x if factor == 1 else ops.multiply(x, float(factor) if is_floating(x.dtype) else int(factor))


@aten("addmm")
def addmm(call: AtenCall, x: Symbol, mat1: Symbol, mat2: Symbol, beta: Any, alpha: Any) -> Symbol:
    """``beta * x + alpha * mat1 mat2``."""
    if is_floating(x.dtype) and x.rank <= 2:
        return call.add(Gemm(alpha=float(alpha), beta=float(beta)), mat1, mat2, x)
    return ops.add(_scaled(x, beta), _scaled(ops.matmul(mat1, mat2), alpha))


@aten("addmv")
def addmv(call: AtenCall, x: Symbol, mat: Symbol, vec: Symbol, beta: Any, alpha: Any) -> Symbol:
    """``beta * x + alpha * mat vec``."""
    return ops.add(_scaled(x, beta), _scaled(ops.matmul(mat, vec), alpha))


@aten("baddbmm")
def baddbmm(call: AtenCall, x: Symbol, batch1: Symbol, batch2: Symbol, beta: Any, alpha: Any) -> Symbol:
    """``beta * x + alpha * batch1 batch2`` for stacks of matrices."""
    product = _scaled(ops.matmul(batch1, batch2), alpha)
    return product if beta == 0 else ops.add(_scaled(x, beta), product)


@aten("addbmm")
def addbmm(call: AtenCall, x: Symbol, batch1: Symbol, batch2: Symbol, beta: Any, alpha: Any) -> Symbol:
    """``beta * x + alpha *`` the sum of the products of stacks of matrices."""
    return ops.add(_scaled(x, beta), _scaled(ops.sum(ops.matmul(batch1, batch2), 0), alpha))


@aten("einsum")
def einsum(call: AtenCall, equation: str, tensors: list[Symbol], path: list[int] | None) -> Symbol:
    """Einstein's sum; ``path`` has the order of the products, as opt_einsum chooses it."""
    pairs = None if path is None else list(zip(path[::2], path[1::2], strict=False))
    return ops.einsum(equation, *tensors, path=pairs)


@aten("outer", "ger")
def outer(call: AtenCall, x: Symbol, vec2: Symbol) -> Symbol:
    """All products of elements of two vectors."""
    return ops.multiply(ops.reshape(x, (*x.shape, 1)), ops.reshape(vec2, (1, *vec2.shape)))


@aten("inner")
def inner(call: AtenCall, x: Symbol, other: Symbol) -> Symbol:
    """Sums of products over the last axes."""
    return ops.inner(x, other)


@aten("vdot")
def vdot(call: AtenCall, x: Symbol, other: Symbol) -> Symbol:
    """The scalar product of two vectors."""
    return ops.sum(ops.multiply(x, other))


@aten("tensordot")
def tensordot(call: AtenCall, x: Symbol, other: Symbol, dims_self: list[int], dims_other: list[int]) -> Symbol:
    """Sums of products over several axes."""
    return ops.tensordot(x, other, (dims_self, dims_other))


@aten("bilinear")
def bilinear(call: AtenCall, input1: Symbol, input2: Symbol, weight: Symbol, bias: Symbol | None) -> Symbol:
    """``input1 weight input2 + bias`` for each output."""
    y = ops.einsum("...i,oij,...j->...o", input1, weight, input2)
    return y if bias is None else ops.add(y, bias)


@aten("linalg_cross", "cross")
def cross(call: AtenCall, x: Symbol, other: Symbol, dim: int | None) -> Symbol:
    """The cross product along an axis."""
    if dim is None:
        dim = next(axis for axis, size in enumerate(x.shape) if size == 3)
    a, b = call.promoted(x, other)
    return ops.cross(a, b, axis=dim)


@aten("cosine_similarity")
def cosine_similarity(call: AtenCall, x1: Symbol, x2: Symbol, dim: int, eps: float) -> Symbol:
    """The cosine of the angle between vectors along an axis; norms are at least ``eps``."""
    a, b = call.promoted(x1, x2, dtype=result_type(x1, x2))
    first, second = (ops.divide(x, ops.maximum(ops.norm(x, 2, dim, keepdims=True), eps)) for x in (a, b))
    return ops.sum(ops.multiply(first, second), dim)


@aten("kron")
def kron(call: AtenCall, x: Symbol, other: Operand) -> Symbol:
    """The Kronecker product."""
    return ops.kron(*call.promoted(x, other))
