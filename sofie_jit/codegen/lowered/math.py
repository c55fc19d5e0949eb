"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.math`."""

from __future__ import annotations
from dataclasses import dataclass, replace
from typing import ClassVar
from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.operators.elementwise import Binary
from sofie_jit.ir.operators.operator import (
    BATCH,
    Emitter,
    ROperator,
    TensorType,
    common_dtype,
    float_dtype,
    format_shape,
    normalize_axis,
    static_dim,
)
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.math import (
    Unary,
    Neg,
    Abs,
    Sign,
    Square,
    Reciprocal,
    Sqrt,
    Rsqrt,
    Cbrt,
    Expm1,
    Exp2,
    Log,
    Log1p,
    Log2,
    Log10,
    Erf,
    Erfc,
    Floor,
    Ceil,
    Round,
    Trunc,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Asinh,
    Acosh,
    Atanh,
    Erfinv,
    BesselI0,
    OfIntegers,
    BitwiseAnd,
    BitwiseOr,
    BitwiseXor,
    BitShiftLeft,
    BitShiftRight,
    Gcd,
    Lcm,
    BitwiseNot,
    NextAfter,
    Mod,
    Atan2,
    ArgMax,
    ArgMin,
    CumSum,
    CumProd,
    GatherElements,
    TopK,
    SearchSorted,
)


def _sizes(code: Emitter, operator: str, axis: int) -> tuple[str, str, str]:
    """The first input as [outer][size][inner] around ``axis``."""
    x = code.inputs[0]
    assert x is not None
    axis = normalize_axis(operator, axis, x.rank)
    return code.count(x.shape[:axis]), code.dim(x.shape[axis]), code.count(x.shape[axis + 1 :])


@emits(Unary, kernels=("elementwise/math.hxx",), in_place=(0,))
def unary(op: Unary, code: Emitter) -> str:
    size = code.count(code.outputs[0].shape)
    return code.call("map", size, code.input(0), code.output(0), f"k::{op.op_type}{{}}")


# NOEMIT ['OfIntegers', 'kernels=("elementwise/math.hxx",)']


# NOEMIT ['NextAfter', 'kernels=("elementwise/math.hxx",)']


# NOEMIT ['Mod', 'kernels=("elementwise/math.hxx",)']


# NOEMIT ['Atan2', 'kernels=("elementwise/math.hxx",)']


@emits(ArgMax, kernels=("elementwise/math.hxx",))
def arg_max(op: ArgMax, code: Emitter) -> str:
    sizes = _sizes(code, op.op_type, op.axis)
    return code.call("arg_max", *sizes, op.smallest, code.input(0), code.output(0))


@emits(CumSum, kernels=("elementwise/math.hxx",))
def cum_sum(op: CumSum, code: Emitter) -> str:
    return code.call(op.function, *_sizes(code, op.op_type, op.axis), code.input(0), code.output(0))


@emits(GatherElements, kernels=("elementwise/math.hxx",), failure="an index lies outside the axis it points into")
def gather_elements(op: GatherElements, code: Emitter) -> str:
    indices = code.inputs[1]
    assert indices is not None
    outer, size, inner = _sizes(code, "GatherElements", op.axis)
    places = code.dim(indices.shape[op.axis])
    return code.checked_call(
        "gather_elements", outer, size, places, inner, code.input(0), code.input(1), code.output(0)
    )


@emits(TopK, kernels=("reduction/sort.hxx",))
def top_k(op: TopK, code: Emitter) -> str:
    x = code.inputs[0]
    assert x is not None
    size = static_dim("TopK", x.shape, -1)
    return code.call(
        "top_k", code.count(x.shape[:-1]), size, op.k, op.largest, code.input(0), code.output(0),
        code.output(1), code.scratch("int32", (2 * size,)),
    )  # fmt: skip


@emits(SearchSorted, kernels=("elementwise/math.hxx",))
def search_sorted(op: SearchSorted, code: Emitter) -> str:
    ascending = code.inputs[1]
    assert ascending is not None
    return code.call(
        "search_sorted", code.count(code.outputs[0].shape), code.dim(ascending.shape[0]), op.right,
        code.input(0), code.input(1), code.output(0),
    )  # fmt: skip
