"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.matmul`."""

from __future__ import annotations
from collections.abc import Sequence
from dataclasses import dataclass
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.gemm import gemm_parts
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
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.matmul import MatMul, _permuted, _broadcast


WIDEST_PANEL = 32
"""``panel_width`` of ``gemm.hxx`` is at most this."""


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


@emits(MatMul, kernels=("gemm/matmul.hxx",))
def mat_mul(op: MatMul, code: Emitter) -> str:
    a, b, y = code.inputs[0], code.inputs[1], code.outputs[0]
    assert a is not None
    assert b is not None
    left, right = _permuted("A", a.shape, op.perm_a), _permuted("B", b.shape, op.perm_b)
    stack = _broadcast(left[:-2], right[:-2])
    rank = len(stack) + 2
    order = range(rank) if op.perm_y is None else op.perm_y
    inverse = sorted(range(rank), key=order.__getitem__)
    m, k, n = left[-2], left[-1], right[-1]
    few = not isinstance(m, int) or m < 4 or m % 4 in (1, 2)
    parts = gemm_parts(code, 0, (k, n), few=few, cuts=False)
    panel = code.scratch(y.dtype, (k, WIDEST_PANEL))
    return code.call(
        "matmul",
        code.struct(
            "MatmulStack", len(stack), [code.dim(d) for d in stack], _strides(code, rank, a.shape, op.perm_a),
            _strides(code, rank, b.shape, op.perm_b), _strides(code, rank, y.shape, inverse),
        ),
        code.dim(m), code.dim(k), code.dim(n), code.input(0), code.input(1), panel, code.output(0), parts,
    )  # fmt: skip
