"""Products of matrices and tensors."""

from __future__ import annotations

from collections import Counter

from sofie_jit.frontends.onnx.nodes.registry import OnnxCall, direct, node
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
    """Einstein's sum; an axis that a term names twice is a diagonal."""
    left, arrow, right = call.text("equation").replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(inputs):
        call.refuse(f"the equation {left!r} has {len(terms)} terms for {len(inputs)} inputs")
    if not arrow:
        letters = Counter(c for term in terms for c in term if c != ".")
        right = "..." * ("..." in left) + "".join(sorted(c for c, count in letters.items() if count == 1))
    pairs = [_without_diagonals(term, x) for term, x in zip(terms, inputs, strict=True)]
    return ops.einsum(",".join(term for term, _ in pairs) + "->" + right, *(x for _, x in pairs))


def _without_diagonals(term: str, x: Symbol) -> tuple[str, Symbol]:
    """A term and its tensor, where the diagonal, the last axis, takes the place of two axes of one name."""
    while repeated := [c for c, count in Counter(term).items() if c != "." and count > 1]:
        front, dots, back = term.partition("...")
        letters = [*front, *[""] * (x.rank - len(front) - len(back)), *back]
        first, second = [axis for axis, c in enumerate(letters) if c == repeated[0]][:2]
        x = ops.diagonal(x, 0, first, second)
        inside = min(front.count(repeated[0]), 2)
        front, back = front.replace(repeated[0], "", 2), back.replace(repeated[0], "", 2 - inside)
        term = front + dots + back + repeated[0]
    return term, x
