"""MatMul: the product of two stacks of matrices, both computed by the model or one of them a weight."""

from __future__ import annotations

from collections.abc import Sequence

from sofie_jit.errors import ShapeError
from sofie_jit.operators.operator import (
    Dim,
    Emitter,
    ROperator,
    Shape,
    TensorType,
    common_dtype,
    format_shape,
    split_count,
)


class MatMul(ROperator):
    """``Y = A B`` as numpy.matmul: A (..., M, K), B (..., K, N), leading axes broadcast; output (..., M, N)."""

    kernels = ("matmul.hxx",)

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        dtype = common_dtype("MatMul", a, b)
        if a.rank < 2 or b.rank < 2 or a.shape[-1] != b.shape[-2]:
            raise ShapeError(
                f"MatMul needs A (..., M, K) and B (..., K, N), got {format_shape(a.shape)} and {format_shape(b.shape)}"
            )
        return TensorType(dtype, (*_broadcast(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]))

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        a = inputs[0]
        assert a is not None
        return 2 * split_count(a.shape[-1:])[0] * split_count(outputs[0].shape)[0]

    def emit(self, code: Emitter) -> str:
        a, b, y = code.inputs[0], code.inputs[1], code.outputs[0]
        assert a is not None
        assert b is not None
        stack = y.shape[:-2]
        panel = code.scratch(y.dtype, (a.shape[-1], WIDEST_PANEL))
        return code.call(
            "matmul",
            code.struct(
                "MatmulStack", len(stack), [code.dim(d) for d in stack],
                _strides(code, stack, a.shape[:-2]), _strides(code, stack, b.shape[:-2]),
            ),
            code.dim(a.shape[-2]), code.dim(a.shape[-1]), code.dim(b.shape[-1]),
            code.input(0), code.input(1), panel, code.output(0),
        )  # fmt: skip


WIDEST_PANEL = 32
"""``panel_width`` of ``gemm.hxx`` is at most this."""


def _strides(code: Emitter, stack: Shape, shape: Shape) -> list[str]:
    """Per axis of ``stack`` how many matrices of ``shape`` one step skips; 0 where it is broadcast."""
    missing = len(stack) - len(shape)
    return [
        "0" if axis < missing or shape[axis - missing] == 1 else code.count(shape[axis - missing + 1 :])
        for axis in range(len(stack))
    ]


def _broadcast(a: Shape, b: Shape) -> Shape:
    rank = max(len(a), len(b))
    result: list[Dim] = []
    for x, y in zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True):
        if x != y and 1 not in (x, y):
            raise ShapeError(f"MatMul: the leading axes {format_shape(a)} and {format_shape(b)} do not broadcast")
        result.append(y if x == 1 else x)
    return tuple(result)
