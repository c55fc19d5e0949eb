"""Products of matrices and tensors."""

from __future__ import annotations

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import direct, node
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.gemm import Gemm

GEMM = ("alpha", "beta", "transA", "transB")

direct(Gemm, attributes=GEMM, since=7)


@node("Gemm")
def gemm_with_broadcast(call: OnnxCall, a: Symbol, b: Symbol, c: Symbol) -> Symbol:
    """The form before opset 7, where ``broadcast`` told whether C may have another shape than Y."""
    call.ignore("broadcast")
    return call.add(call.operator(Gemm, *GEMM), a, b, c)


@node("MatMul")
def matmul(call: OnnxCall, a: Symbol, b: Symbol) -> Symbol:
    """The product of matrices, of stacks of matrices, or of vectors."""
    return ops.matmul(a, b)


@node("Einsum", since=12)
def einsum(call: OnnxCall, *inputs: Symbol) -> Symbol:
    """Einstein's sum."""
    return ops.einsum(call.text("equation"), *inputs)
