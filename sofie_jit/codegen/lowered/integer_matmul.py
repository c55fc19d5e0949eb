"""IntegerMatMul: the product of two stacks of matrices of integers, and its C++ call."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.codegen.lowered.matmul import stack_of
from sofie_jit.ir.operators.matmul import MatMul


class IntegerMatMul(MatMul):
    """A MatMul of integers, modulo 2^bits."""


@emits(IntegerMatMul, kernels=("gemm/integer_matmul.hxx",))
def integer_matmul(op: IntegerMatMul, code: Emitter) -> Call:
    """``integer_matmul`` of each pair of matrices."""
    a, b, y = code.type_of(0).shape, code.type_of(1).shape, code.outputs[0].shape
    return code.call(
        "integer_matmul", stack_of(code, a, b, y), code.dim(a[-2]), code.dim(a[-1]), code.dim(b[-1]),
        code.input(0), code.input(1), code.output(0),
    )  # fmt: skip
