"""Products of matrices and tensors."""

from __future__ import annotations

from sofie_jit.frontends.onnx.nodes.registry import OnnxCall, node
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.gemm import Gemm


@node("Gemm", since=1)
def gemm(call: OnnxCall, a: Symbol, b: Symbol, c: Symbol | None = None) -> Symbol:
    """``alpha * A' B' + beta * C``."""
    call.ignore("broadcast")  # before opset 7 it told whether C may have another shape than Y
    operator = Gemm(
        alpha=call.number("alpha", 1.0),
        beta=call.number("beta", 1.0),
        transA=call.flag("transA"),
        transB=call.flag("transB"),
    )
    return call.add(operator, a, b, *([] if c is None else [c]))


@node("MatMul", since=1)
def matmul(call: OnnxCall, a: Symbol, b: Symbol) -> Symbol:
    """The product of matrices, of stacks of matrices, or of vectors."""
    return ops.matmul(a, b)


@node("Einsum", since=12)
def einsum(call: OnnxCall, *inputs: Symbol) -> Symbol:
    """Einstein's sum."""
    return ops.einsum(call.text("equation"), *inputs)
