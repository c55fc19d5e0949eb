"""C++ calls of elementary functions, and of operators along an axis: ArgMax, CumSum, GatherElements, TopK."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call, Size, functor
from sofie_jit.codegen.lowered import elementwise
from sofie_jit.codegen.lowered.emission import emits, require
from sofie_jit.ir.dims import normalize_axis
from sofie_jit.ir.operators.elementwise import Binary
from sofie_jit.ir.operators.math import (
    ArgMax,
    Atan2,
    CumSum,
    GatherElements,
    Mod,
    NextAfter,
    OfIntegers,
    SearchSorted,
    TopK,
    Unary,
)

KERNELS = ("elementwise/math.hxx",)


@emits(Unary, kernels=KERNELS, in_place=(0,))
def unary(op: Unary, code: Emitter) -> Call:
    """``map`` over all elements."""
    return code.call("map", code.count(code.outputs[0].shape), code.input(0), code.output(0), functor(op.op_type))


@emits(OfIntegers, NextAfter, Mod, Atan2, kernels=KERNELS, in_place=(0, 1))
def binary(op: Binary, code: Emitter) -> Call:
    """One functor over pairs of elements."""
    if isinstance(op, Mod):
        require(op, fmod=False)
    call: Call = elementwise.binary(op, code)
    return call


def _around(code: Emitter, operator: str, axis: int) -> tuple[Size, Size, Size]:
    """The first input as [outer][size][inner] around ``axis``."""
    x = code.type_of(0)
    axis = normalize_axis(operator, axis, x.rank)
    return code.count(x.shape[:axis]), code.dim(x.shape[axis]), code.count(x.shape[axis + 1 :])


@emits(ArgMax, kernels=KERNELS)
def arg_max(op: ArgMax, code: Emitter) -> Call:
    """``arg_max`` of each row along the axis."""
    require(op, select_last_index=False)
    sizes = _around(code, op.op_type, op.axis)
    return code.call("arg_max", *sizes, op.smallest, code.input(0), code.output(0))


@emits(CumSum, kernels=KERNELS)
def cum_sum(op: CumSum, code: Emitter) -> Call:
    """``cum_sum``, ``cum_prod`` or ``cumulate`` of each row along the axis."""
    sizes = _around(code, op.op_type, op.axis)
    if op.exclusive or op.reverse:
        product = op.function == "cum_prod"
        return code.call("cumulate", *sizes, product, op.exclusive, op.reverse, code.input(0), code.output(0))
    return code.call(op.function, *sizes, code.input(0), code.output(0))


@emits(GatherElements, kernels=KERNELS)
def gather_elements(op: GatherElements, code: Emitter) -> Call:
    """One element per index; fails for an index out of range."""
    outer, size, inner = _around(code, "GatherElements", op.axis)
    indices = code.dim(code.type_of(1).shape[op.axis])
    return code.checked_call(
        "gather_elements", outer, size, indices, inner, code.input(0), code.input(1), code.output(0),
        failure="an index lies outside the axis it points into",
    )  # fmt: skip


@emits(TopK, kernels=("reduction/sort.hxx",))
def top_k(op: TopK, code: Emitter) -> Call:
    """``top_k`` of each row along the last axis."""
    x = code.type_of(0)
    if normalize_axis("TopK", op.axis, x.rank) != x.rank - 1:
        require(op, axis=-1)
    size = x.shape[-1]
    return code.call(
        "top_k", code.count(x.shape[:-1]), code.dim(size), code.dim(op.K), op.largest, code.input(0), code.output(0),
        code.output(1), code.scratch("int32", (2 * size,)),
    )  # fmt: skip


@emits(SearchSorted, kernels=KERNELS)
def search_sorted(op: SearchSorted, code: Emitter) -> Call:
    """A binary search per element."""
    return code.call(
        "search_sorted", code.count(code.outputs[0].shape), code.dim(code.type_of(1).shape[0]), op.right,
        code.input(0), code.input(1), code.output(0),
    )  # fmt: skip
