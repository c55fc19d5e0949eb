"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.elementwise`."""

from __future__ import annotations
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.operators.operator import (
    CPP_TYPES,
    Dim,
    Emitter,
    ROperator,
    Shape,
    TensorType,
    common_dtype,
    counts_rows,
    float_dtype,
    format_shape,
    literal,
)
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.elementwise import Broadcasting, Binary, Add, Sub, Mul, Div, Pow, PRelu, Variadic, Max, Min, Sum, Mean, Comparison, Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual, And, Or, Xor, Not, Where, Cast, broadcast_shapes, _infer


MAX_RANK = 8
"""Dimensions that a broadcasting kernel knows, once neighbouring ones are merged."""


def broadcast(code: Emitter, operator: str, shape: Shape, inputs: Sequence[Shape]) -> str:
    """The C++ ``Broadcast`` of ``inputs`` to ``shape``, neighbouring axes merged where all inputs treat them alike."""
    groups: list[tuple[list[Dim], tuple[bool, ...]]] = []
    padded = [(1,) * (len(shape) - len(given)) + given for given in inputs]
    for axis, dim in enumerate(shape):
        has = tuple(given[axis] == dim for given in padded)
        if dim == 1:
            continue
        if groups and groups[-1][1] == has:
            groups[-1][0].append(dim)
        else:
            groups.append(([dim], has))
    if not groups:
        groups.append(([1], (True,) * len(inputs)))
    if len(groups) > MAX_RANK:
        raise ShapeError(f"{operator}: broadcasting {', '.join(map(format_shape, inputs))} needs too many dimensions")
    sizes = [code.count(tuple(dims)) for dims, _ in groups]
    has_rows = [[has[index] for _, has in groups] for index in range(len(inputs))]
    return code.struct(f"Broadcast<{len(inputs)}>", len(groups), sizes, has_rows)


# NOEMIT ['Broadcasting', 'kernels=("elementwise/elementwise.hxx",)']


def _shape_broadcasting(op: Broadcasting, code: Emitter) -> str:
    return broadcast(code, op.op_type, code.outputs[0].shape, [t.shape for t in code.inputs if t is not None])


@emits(Binary, in_place=(0, 1))
def binary(op: Binary, code: Emitter) -> str:
    return code.call(
        "binary", op._shape(code), code.input(0), code.input(1), code.output(0), f"k::{op.op_type}{{}}"
    )


@emits(Variadic, in_place=(0, 1)[:len(inputs)])
def variadic(op: Variadic, code: Emitter) -> str:
    y = code.outputs[0]
    shapes = [t.shape for t in code.inputs if t is not None]
    if len(shapes) == 1:
        return code.call("map", code.count(y.shape), code.input(0), code.output(0), "k::Identity{}")
    calls, left, left_shape = [], code.input(0), shapes[0]
    for index, shape in enumerate(shapes[1:], 1):
        both = broadcast(code, op.op_type, y.shape, [left_shape, shape])
        operation = f"k::{op.functor_name or op.op_type}{{}}"
        calls.append(code.call("binary", both, left, code.input(index), code.output(0), operation))
        left, left_shape = code.output(0), y.shape
    return "\n      ".join(calls)


@emits(Mean)
def mean(op: Mean, code: Emitter) -> str:
    y = code.outputs[0]
    divide = f"k::DivideBy<{CPP_TYPES[y.dtype]}>{{{literal(len(code.inputs), y.dtype)}}}"
    return "\n      ".join(
        [super().emit(code), code.call("map", code.count(y.shape), code.output(0), code.output(0), divide)]
    )


@emits(Comparison)
def comparison(op: Comparison, code: Emitter) -> str:
    return code.call(
        "compare", op._shape(code), code.input(0), code.input(1), code.output(0), f"k::{op.op_type}{{}}"
    )


@emits(Not, kernels=("elementwise/elementwise.hxx",))
def not(op: Not, code: Emitter) -> str:
    return code.call("logical_not", code.count(code.outputs[0].shape), code.input(0), code.output(0))


@emits(Where)
def where(op: Where, code: Emitter) -> str:
    return code.call("where", op._shape(code), code.input(0), code.input(1), code.input(2), code.output(0))


@emits(Cast, kernels=("elementwise/elementwise.hxx",))
def cast(op: Cast, code: Emitter) -> str:
    return code.call("cast", code.count(code.outputs[0].shape), code.input(0), code.output(0))
