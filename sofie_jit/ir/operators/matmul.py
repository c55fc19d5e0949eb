"""MatMul: the product of two stacks of matrices, both computed by the model or one of them a weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.gemm import gemm_microkernels
from sofie_jit.ir.operators.operator import (
    Dim,
    Emitter,
    ROperator,
    Shape,
    TensorType,
    float_dtype,
    format_shape,
    split_count,
)


@dataclass(kw_only=True)
class MatMul(ROperator):
    """``Y = A B`` as numpy.matmul: A (..., M, K), B (..., K, N), leading axes broadcast; output (..., M, N).

    Beyond ONNX are permutations: ``perm_a`` and ``perm_b`` give the inputs' axes another order before the product,
    ``perm_y`` the product's afterwards, as Transposes with these ``perm`` would. Those of A and Y leave the last axis.
    """

    perm_a: Sequence[int] | None = None
    perm_b: Sequence[int] | None = None
    perm_y: Sequence[int] | None = None

    kernels = ("gemm/matmul.hxx",)

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        dtype = float_dtype("MatMul", a, b)
        left, right = _permuted("A", a.shape, self.perm_a), _permuted("B", b.shape, self.perm_b)
        if a.rank < 2 or b.rank < 2 or left[-1] != right[-2]:
            raise ShapeError(
                f"MatMul needs A (..., M, K) and B (..., K, N), got {format_shape(left)} and {format_shape(right)}"
            )
        product = (*_broadcast(left[:-2], right[:-2]), left[-2], right[-1])
        for name, perm in (("A", self.perm_a), ("Y", self.perm_y)):
            if perm is not None and perm[-1] != len(perm) - 1:
                raise ShapeError(f"MatMul: perm_{name.lower()} {tuple(perm)} moves the last axis of {name}")
        return TensorType(dtype, _permuted("Y", product, self.perm_y))

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        a = inputs[0]
        assert a is not None
        return 2 * split_count(a.shape[-1:])[0] * split_count(outputs[0].shape)[0]

    def emit(self, code: Emitter) -> str:
        a, b, y = code.inputs[0], code.inputs[1], code.outputs[0]
        assert a is not None
        assert b is not None
        left, right = _permuted("A", a.shape, self.perm_a), _permuted("B", b.shape, self.perm_b)
        stack = _broadcast(left[:-2], right[:-2])
        rank = len(stack) + 2
        order = range(rank) if self.perm_y is None else self.perm_y
        inverse = sorted(range(rank), key=order.__getitem__)
        m, k, n = left[-2], left[-1], right[-1]
        few = not isinstance(m, int) or m < 4 or m % 4 in (1, 2)
        parts = gemm_microkernels(code, 0, (k, n), few=few, cuts=False)
        panel = code.scratch(y.dtype, (k, WIDEST_PANEL))
        return code.call(
            "matmul",
            code.struct(
                "MatmulStack", len(stack), [code.dim(d) for d in stack], _strides(code, rank, a.shape, self.perm_a),
                _strides(code, rank, b.shape, self.perm_b), _strides(code, rank, y.shape, inverse),
            ),
            code.dim(m), code.dim(k), code.dim(n), code.input(0), code.input(1), panel, code.output(0), parts,
        )  # fmt: skip


WIDEST_PANEL = 32
"""``panel_width`` of ``gemm.hxx`` is at most this."""


def _permuted(name: str, shape: Shape, perm: Sequence[int] | None) -> Shape:
    if perm is None:
        return shape
    if sorted(perm) != list(range(len(shape))):
        raise ShapeError(f"MatMul: perm_{name.lower()} {tuple(perm)} is no order of the axes of {format_shape(shape)}")
    return tuple(shape[axis] for axis in perm)


def _strides(code: Emitter, rank: int, shape: Shape, perm: Sequence[int] | None) -> list[str]:
    """What a step along each of ``rank`` axes skips in a tensor of ``shape`` whose axes have the order ``perm``.

    It is 0 along leading axes that are missing or broadcast.
    """
    order = range(len(shape)) if perm is None else perm
    steps = [
        "0" if shape[axis] == 1 and at < len(shape) - 2 else code.count(shape[axis + 1 :])
        for at, axis in enumerate(order)
    ]
    return ["0"] * (rank - len(shape)) + steps


def _broadcast(a: Shape, b: Shape) -> Shape:
    rank = max(len(a), len(b))
    result: list[Dim] = []
    for x, y in zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True):
        if x != y and 1 not in (x, y):
            raise ShapeError(f"MatMul: the leading axes {format_shape(a)} and {format_shape(b)} do not broadcast")
        result.append(y if x == 1 else x)
    return tuple(result)
