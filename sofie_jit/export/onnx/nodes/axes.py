"""Reductions, searches, and functions of all elements along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from sofie_jit.export.onnx.graph import GraphWriter
from sofie_jit.export.onnx.nodes.registry import rule
from sofie_jit.export.onnx.nodes.scan import scan
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.operators.math import ArgMax, CumSum, SearchSorted, TopK
from sofie_jit.ir.operators.reduce import Reduce
from sofie_jit.ir.operators.softmax import GLU, Sparsemax
from sofie_jit.ir.types import TensorType


@rule("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare")
def reduction(g: GraphWriter, op: Reduce, x: str) -> str:
    axes = op.reduced(g.types[x].rank)
    if not axes:
        return g("Mul", x, x) if op.op_type == "ReduceSumSquare" else x
    return g(op.op_type, x, g.integers(axes), keepdims=op.keepdims)


@rule("ArgMax", "ArgMin")
def arg_max(g: GraphWriter, op: ArgMax, x: str) -> str:
    return g("Cast", g(op.op_type, x, **op.attributes()), to=np.dtype("int32"))


@rule("TopK")
def top_k(g: GraphWriter, op: TopK, x: str) -> tuple[str, str]:
    attributes = {"axis": op.axis, "largest": op.largest, "sorted": op.sorted}
    values, indices = g.several(2, "TopK", x, g.size(op.K), **attributes)
    return values, g("Cast", indices, to=np.dtype("int32"))


@rule("SearchSorted")
def search_sorted(g: GraphWriter, op: SearchSorted, x: str, ascending: str) -> str:
    column = g("Unsqueeze", x, g.integers([-1]))
    less = g("Not", g("Less", column, ascending)) if op.right else g("Less", ascending, column)
    return g("ReduceSum", g("Cast", less, to=np.dtype("int32")), g.integers([-1]), keepdims=0)


@rule("CumSum")
def cum_sum(g: GraphWriter, op: CumSum, x: str) -> str:
    return g("CumSum", x, g.constant(op.axis, "int64"), exclusive=op.exclusive, reverse=op.reverse)


@rule("CumProd")
def cum_prod(g: GraphWriter, op: CumSum, x: str) -> str:
    kind = g.types[x]
    axis = op.axis % kind.rank
    rest = (*kind.shape[:axis], *kind.shape[axis + 1 :])
    ones = g("Expand", g.number(1, kind.dtype), g.sizes(rest))
    row = TensorType(kind.dtype, rest)

    def step(states: list[str], slices: list[str]) -> tuple[list[str], list[str]]:
        product = g("Mul", states[0], slices[0])
        return [product], [states[0] if op.exclusive else product]

    return scan(g, [(ones, row)], [(x, row)], step, [row], axis=axis, reverse=op.reverse, reverse_output=op.reverse)[1]


@rule("GLU")
def glu(g: GraphWriter, op: GLU, x: str) -> str:
    shape = g.shape(x)
    axis = op.axis % len(shape)
    half = static_dim("GLU", shape, axis) // 2

    def part(start: int) -> Any:
        return g("Slice", x, g.integers([start]), g.integers([start + half]), g.integers([axis]))

    return g("Mul", part(0), g("Sigmoid", part(half)))


@rule("Sparsemax")
def sparsemax(g: GraphWriter, op: Sparsemax, x: str) -> str:
    """Its definition, with the ranks and sums along the axis."""
    kind = g.types[x]
    axis = op.axis % kind.rank
    size = static_dim("Sparsemax", kind.shape, axis)
    dtype, along = kind.dtype, g.integers([axis])
    one, zero = g.number(1, dtype), g.number(0, dtype)
    z, _ = g.several(2, "TopK", x, g.integers([size]), axis=axis)
    c = g("CumSum", z, g.constant(axis, "int64"))
    ranks = g.constant(np.arange(1, size + 1, dtype=dtype).reshape(-1, *[1] * (kind.rank - 1 - axis)))
    support = g("Greater", z, g("Div", g("Sub", c, one), ranks))
    total = g("ReduceSum", g("Where", support, c, zero), along)
    count = g("ReduceSum", g("Cast", support, to=np.dtype(dtype)), along)
    tau = g("Div", g("Sub", total, one), count)
    return g("Max", g("Sub", x, tau), zero)
