"""C++ calls of products of two stacks of matrices, and PermutedMatMul."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.codegen import tuning
from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call, Size, Struct
from sofie_jit.codegen.lowered.dense import gemm_microkernels
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import Shape, format_shape
from sofie_jit.ir.operators.matmul import MatMul, broadcast_stack, product_rows, product_shape, product_sizes
from sofie_jit.ir.requirements import Requirement, is_repeated
from sofie_jit.ir.rows import Rows
from sofie_jit.ir.types import TensorType, float_dtype
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class PermutedMatMul(MatMul):
    """A MatMul that reads and writes the axes of its tensors in another order.

    ``perm_a`` and ``perm_b`` permute the inputs' axes before the product, ``perm_y`` those of the product, as
    Transposes with these ``perm`` would. Those of A and Y keep the last axis.
    """

    perm_a: Sequence[int] | None = None
    perm_b: Sequence[int] | None = None
    perm_y: Sequence[int] | None = None

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        product = product_shape(_permuted("A", a.shape, self.perm_a), _permuted("B", b.shape, self.perm_b))
        for name, perm in (("A", self.perm_a), ("Y", self.perm_y)):
            if perm is not None and perm[-1] != len(perm) - 1:
                raise ShapeError(f"MatMul: perm_{name.lower()} {tuple(perm)} moves the last axis of {name}")
        return TensorType(float_dtype("MatMul", a, b), _permuted("Y", product, self.perm_y))

    def requirements(self, a: TensorType, b: TensorType) -> list[Requirement]:
        return product_sizes(_permuted("A", a.shape, self.perm_a), _permuted("B", b.shape, self.perm_b))

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        a, b = types
        assert a is not None
        assert b is not None
        product = product_rows(
            a.rank, b.rank, _permuted_rows(rows[0], self.perm_a), _permuted_rows(rows[1], self.perm_b)
        )
        return _permuted_rows(product, self.perm_y)

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        product = super().evaluate(
            a if self.perm_a is None else a.transpose(self.perm_a),
            b if self.perm_b is None else b.transpose(self.perm_b),
        )
        return product if self.perm_y is None else product.transpose(self.perm_y)


@emits(MatMul, kernels=("gemm/matmul.hxx",))
def matmul(op: MatMul, code: Emitter) -> Call:
    """``matmul`` of each pair of matrices; panels of B are packed in scratch memory."""
    a, b, y = code.type_of(0), code.type_of(1), code.outputs[0]
    perm_a, perm_b, perm_y = (op.perm_a, op.perm_b, op.perm_y) if isinstance(op, PermutedMatMul) else (None, None, None)
    left, right = _permuted("A", a.shape, perm_a), _permuted("B", b.shape, perm_b)
    m, k, n = left[-2], left[-1], right[-1]
    few = not isinstance(m, int) or m < 4 or m % 4 in (1, 2)
    parts = gemm_microkernels(code, 0, (k, n), few=few, cuts=False)
    panel = code.scratch(y.dtype, (k, tuning.MAX_NR))
    return code.call(
        "matmul", stack_of(code, a.shape, b.shape, y.shape, perm_a, perm_b, perm_y),
        code.dim(m), code.dim(k), code.dim(n), code.input(0), code.input(1), panel, code.output(0), parts,
    )  # fmt: skip


def stack_of(
    code: Emitter,
    a: Shape,
    b: Shape,
    y: Shape,
    perm_a: Sequence[int] | None = None,
    perm_b: Sequence[int] | None = None,
    perm_y: Sequence[int] | None = None,
) -> Struct:
    """The C++ ``MatmulStack`` of the tensors A, B and Y with these shapes, whose axes are permuted."""
    stack = broadcast_stack(_permuted("A", a, perm_a)[:-2], _permuted("B", b, perm_b)[:-2])
    rank = len(stack) + 2
    order = range(rank) if perm_y is None else perm_y
    inverse = sorted(range(rank), key=order.__getitem__)
    return code.struct(
        "MatmulStack", len(stack), [code.dim(d) for d in stack], _strides(code, stack, a, perm_a),
        _strides(code, stack, b, perm_b), _strides(code, stack, y, inverse),
    )  # fmt: skip


def _permuted(name: str, shape: Shape, perm: Sequence[int] | None) -> Shape:
    if perm is None:
        return shape
    if sorted(perm) != list(range(len(shape))):
        raise ShapeError(f"MatMul: perm_{name.lower()} {tuple(perm)} does not order the axes of {format_shape(shape)}")
    return tuple(shape[axis] for axis in perm)


def _permuted_rows(rows: Rows, perm: Sequence[int] | None) -> Rows:
    return rows if perm is None or rows.axis is None else rows.moved(list(perm).index(rows.axis))


def _strides(code: Emitter, stack: Shape, shape: Shape, perm: Sequence[int] | None) -> list[Size]:
    """The elements that a step skips in a tensor of ``shape`` with axes in order ``perm``.

    A step along each axis of ``stack``, to which the matrices of the tensor are broadcast, and of the matrices. It is 0
    along axes of the stack that are missing or broadcast.
    """
    order = range(len(shape)) if perm is None else perm
    missing = len(stack) + 2 - len(shape)
    targets = [*stack[missing:], *shape[-2:]]
    steps = [
        Size(0)
        if at < len(shape) - 2 and (shape[axis] == 1 or is_repeated(shape[axis], targets[at]))
        else code.count(shape[axis + 1 :])
        for at, axis in enumerate(order)
    ]
    return [Size(0)] * missing + steps
