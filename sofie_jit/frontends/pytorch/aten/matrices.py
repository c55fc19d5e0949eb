"""Operators of matrices: diagonals, triangles, norms, and decompositions, which need constant matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.creation import filled
from sofie_jit.frontends.pytorch.aten.products import matmul
from sofie_jit.frontends.pytorch.aten.reductions import axes_of, norm
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.frontends.pytorch.aten.shapes import unsqueeze
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis, static_dim
from sofie_jit.ir.types import check_table

# -- diagonals and triangles -------------------------------------------------------------------------------------------


@aten("diag_embed")
def diag_embed(call: AtenCall, x: Symbol, offset: int, dim1: int, dim2: int) -> Symbol:
    """Matrices with the last axis on a diagonal."""
    size = static_dim("diag_embed", x.shape, -1) + abs(offset)
    check_table("diag_embed", size, size)
    row, column = np.indices((size, size))
    here = column - row == offset
    places = np.where(here, np.minimum(row, column), 0)
    matrix = ops.multiply(ops.take(x, places, x.rank - 1), call.constant(here.astype(x.dtype), "diagonal"))
    axes = [normalize_axis("diag_embed", axis, x.rank + 1) for axis in (dim1, dim2)]
    return ops.moveaxis(matrix, [x.rank - 1, x.rank], axes)


@aten("diag")
def diag(call: AtenCall, x: Symbol, diagonal: int) -> Symbol:
    """The diagonal of a matrix, or a matrix with a diagonal."""
    return ops.diagonal(x, diagonal) if x.rank == 2 else diag_embed(call, x, diagonal, -2, -1)


@aten("diagflat")
def diagflat(call: AtenCall, x: Symbol, offset: int) -> Symbol:
    """A matrix with all elements on its diagonal."""
    return diag_embed(call, ops.ravel(x), offset, -2, -1)


@aten("linalg_diagonal")
def linalg_diagonal(call: AtenCall, A: Symbol, offset: int, dim1: int, dim2: int) -> Symbol:  # noqa: N803
    """The elements on a diagonal, along a new last axis."""
    return ops.diagonal(A, offset, dim1, dim2)


@aten("block_diag")
def block_diag(call: AtenCall, tensors: list[Symbol]) -> Symbol:
    """A matrix with matrices along its diagonal."""
    blocks = [ops.reshape(x, (1, -1)) if x.rank < 2 else x for x in call.promoted(*tensors)]
    rows = []
    for number, block in enumerate(blocks):
        height = block.shape[0]
        parts = [
            block if index == number else filled(call, [height, other.shape[1]], 0, block.dtype)
            for index, other in enumerate(blocks)
        ]
        rows.append(ops.concatenate(parts, 1))
    return ops.concatenate(rows, 0)


def _triangle_indices(call: AtenCall, dtype: Any, places: tuple[np.ndarray, ...]) -> Symbol:
    return call.symbol(np.stack(places).astype(dtype or "int64"), "indices")


@aten("tril_indices")
def tril_indices(call: AtenCall, row: int, col: int, offset: int, dtype: Any) -> Symbol:
    """The indices of the lower triangle of a matrix."""
    check_table("tril_indices", row, col)
    return _triangle_indices(call, dtype, np.tril_indices(row, offset, col))


@aten("triu_indices")
def triu_indices(call: AtenCall, row: int, col: int, offset: int, dtype: Any) -> Symbol:
    """The indices of the upper triangle of a matrix."""
    check_table("triu_indices", row, col)
    return _triangle_indices(call, dtype, np.triu_indices(row, offset, col))


# -- products and norms ------------------------------------------------------------------------------------------------


@aten("adjoint", "mH")
def adjoint(call: AtenCall, x: Symbol) -> Symbol:
    """The last two axes swapped."""
    return ops.swapaxes(x, x.rank - 2, x.rank - 1)


@aten("addr")
def addr(call: AtenCall, x: Symbol, vec1: Symbol, vec2: Symbol, beta: Any, alpha: Any) -> Symbol:
    """``beta * x + alpha * vec1 vec2^T``."""
    outer = ops.multiply(unsqueeze(call, vec1, 1), vec2)
    terms = [term if factor == 1 else ops.multiply(term, factor) for term, factor in ((x, beta), (outer, alpha))]
    return ops.add(*terms)


@aten("linalg_multi_dot", "chain_matmul")
def multi_dot(call: AtenCall, tensors: list[Symbol] | None = None, matrices: list[Symbol] | None = None) -> Symbol:
    """The product of several matrices."""
    first, *others = tensors or matrices or []
    for matrix in others:
        first = matmul(call, first, matrix)
    return first


@aten("linalg_vecdot")
def vecdot(call: AtenCall, x: Symbol, y: Symbol, dim: int) -> Symbol:
    """Products of vectors along an axis."""
    return ops.sum(ops.multiply(*call.promoted(x, y)), dim)


@aten("matrix_power", "linalg_matrix_power")
def matrix_power(call: AtenCall, x: Symbol, n: int) -> Symbol:
    """The product of ``n`` equal matrices."""
    if not 0 < n <= 64:
        call.refuse(f"the power {n} of a matrix is not supported")
    result = x
    for _ in range(n - 1):
        result = ops.matmul(result, x)
    return result


@aten("linalg_matrix_norm", "linalg_matrix_norm.str_ord")
def matrix_norm(call: AtenCall, x: Symbol, ord: Any, dim: list[int], keepdim: bool, dtype: Any) -> Symbol:
    """A norm of matrices: of all elements, or the largest or smallest sum along rows or columns."""
    x = call.floating(x) if dtype is None else call.cast(x, dtype)
    rows, columns = (normalize_axis("matrix_norm", axis, x.rank) for axis in dim)
    if ord == "fro":
        return ops.norm(x, None, [rows, columns], keepdim)
    if ord not in (1, -1, float("inf"), float("-inf")):
        call.refuse(f"the norm {ord!r} is not supported")
    along = rows if abs(ord) == 1 else columns
    sums = ops.sum(ops.absolute(x), along, True)
    found = (ops.max if ord > 0 else ops.min)(sums, columns if along == rows else rows, True)
    return found if keepdim else ops.squeeze(found, (rows, columns))


@aten("linalg_norm")
def linalg_norm(call: AtenCall, x: Symbol, ord: Any, dim: Any, keepdim: bool, dtype: Any) -> Symbol:
    """The Euclidean norm of all elements, or a norm of vectors along an axis, or of matrices along two."""
    axes = axes_of(x, dim)
    if ord is None or len(axes) == 1:
        return norm(call, x, ord=2 if ord is None else ord, dim=axes, keepdim=keepdim, dtype=dtype)
    if len(axes) != 2:
        call.refuse(f"ord={ord!r} over {len(axes)} axes is not supported")
    return matrix_norm(call, x, ord, axes if dim is None else dim, keepdim, dtype)


# -- decompositions of constants ---------------------------------------------------------------------------------------


def _of_constant(*names: str) -> Callable[[Callable[..., Any]], None]:
    """Registers a function of numpy for operators of one matrix, computed in float64 while the model is translated."""

    def register(function: Callable[..., Any]) -> None:
        @aten(*names)
        def compute(call: AtenCall, x: Symbol | None = None, A: Symbol | None = None) -> Any:  # noqa: N803
            given = A if x is None else x
            assert given is not None
            found = function(call.known(given, "matrix").astype("float64"))
            parts = found if isinstance(found, tuple) else (found,)
            symbols = tuple(call.constant(np.array(part, given.dtype), "matrix") for part in parts)
            return symbols if isinstance(found, tuple) else symbols[0]

    return register


def _exponential(matrix: np.ndarray) -> np.ndarray:
    """The exponential of a matrix: the series of a fraction of it, squared repeatedly."""
    halvings = max(0, int(np.ceil(np.log2(max(np.abs(matrix).sum(-1).max(), 1.0)))) + 4)
    small = matrix / 2.0**halvings
    result = term = np.broadcast_to(np.eye(matrix.shape[-1]), matrix.shape)
    for number in range(1, 16):
        term = term @ small / number
        result = result + term
    for _ in range(halvings):
        result = result @ result
    return result


_of_constant("matrix_exp", "linalg_matrix_exp")(_exponential)
_of_constant("inverse", "linalg_inv")(np.linalg.inv)
_of_constant("det", "linalg_det")(np.linalg.det)
_of_constant("slogdet", "linalg_slogdet")(lambda matrix: tuple(np.linalg.slogdet(matrix)))
_of_constant("logdet")(lambda matrix: np.log(np.linalg.det(matrix)))


_of_constant("linalg_cholesky")(np.linalg.cholesky)
_of_constant("linalg_svdvals")(lambda matrix: np.linalg.svd(matrix, compute_uv=False))
_of_constant("linalg_eigvalsh")(np.linalg.eigvalsh)


@aten("linalg_householder_product")
def householder_product(call: AtenCall, input: Symbol, tau: Symbol) -> Symbol:
    """The first columns of a product of reflections, which orthogonal weights are computed of."""
    columns, factors = (call.known(x, name).astype("float64") for x, name in ((input, "input"), (tau, "tau")))
    rows, count = columns.shape[-2:]
    product = np.broadcast_to(np.eye(rows, count), columns.shape).copy()
    for index in reversed(range(factors.shape[-1])):
        vector = columns[..., index : index + 1].copy()
        vector[..., :index, :] = 0
        vector[..., index, :] = 1
        product -= factors[..., index, np.newaxis, np.newaxis] * vector @ (np.swapaxes(vector, -1, -2) @ product)
    return call.constant(product.astype(input.dtype), "product")


def _solved(call: AtenCall, matrix: Symbol, right: Symbol, left: bool) -> Symbol:
    """The solution of ``matrix y = right``, or of ``y matrix = right``, for a constant matrix."""
    known = call.known(matrix, "matrix")
    inverse = call.constant(np.linalg.inv(known.astype("float64")).astype(known.dtype), "inverse")
    return ops.matmul(inverse, right) if left else ops.matmul(right, inverse)


@aten("linalg_solve")
def solve(call: AtenCall, A: Symbol, B: Symbol, left: bool) -> Symbol:  # noqa: N803
    """The solution of a linear system with a constant matrix."""
    if B.rank == 1 or (A.rank - 1 == B.rank and B.shape == A.shape[:-1]):
        column = unsqueeze(call, B, -1)
        return ops.squeeze(_solved(call, A, column, True), -1)
    return _solved(call, A, B, left)


@aten("linalg_solve_triangular")
def solve_triangular(
    call: AtenCall, x: Symbol, B: Symbol, upper: bool, left: bool, unitriangular: bool  # noqa: N803
) -> Symbol:  # fmt: skip
    """The solution of a linear system with a constant triangular matrix."""
    known = call.known(x, "matrix")
    matrix = np.triu(known) if upper else np.tril(known)
    if unitriangular:
        matrix = matrix * (1 - np.eye(matrix.shape[-1], dtype=matrix.dtype)) + np.eye(matrix.shape[-1])
    return _solved(call, call.constant(matrix.astype(known.dtype), "triangle"), B, left)


@aten("triangular_solve")
def triangular_solve(
    call: AtenCall, x: Symbol, A: Symbol, upper: bool, transpose: bool, unitriangular: bool  # noqa: N803
) -> tuple[Symbol, Symbol]:  # fmt: skip
    """The solution of a linear system with a constant triangular matrix, and that matrix."""
    known = call.known(A, "matrix")
    matrix = call.constant(np.swapaxes(known, -1, -2).copy(), "transposed") if transpose else A
    return solve_triangular(call, matrix, x, upper != transpose, True, unitriangular), A
