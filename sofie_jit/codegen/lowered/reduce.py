"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.reduce`."""

from __future__ import annotations
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from sofie_jit.ir.operators.operator import (
    CPP_TYPES,
    Emitter,
    ROperator,
    Shape,
    TensorType,
    counts_rows,
    float_dtype,
    literal,
    normalize_axis,
    static_dims,
)
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.reduce import (
    Reduce,
    ReduceSum,
    ReduceSumSquare,
    ReduceProd,
    ReduceMax,
    ReduceMin,
    ReduceMean,
)


def _steps(shape: Shape, axes: Sequence[int]) -> list[tuple[Shape, Shape, Shape]]:
    """A reduction over ``axes`` as ones over neighbouring axes, the last first: (outer, reduced, inner) of each."""
    runs: list[list[int]] = []
    for axis in axes:
        if shape[axis] == 1 and len(axes) > 1:
            continue
        if runs and runs[-1][1] == axis:
            runs[-1][1] = axis + 1
        else:
            runs.append([axis, axis + 1])
    steps, kept = [], shape
    for start, end in reversed(runs or [[0, 0]]):
        steps.append((kept[:start], kept[start:end], kept[end:]))
        kept = kept[:start] + kept[end:]
    return steps


@emits(Reduce, kernels=("reduction/reduce.hxx",))
def reduce(op: Reduce, code: Emitter) -> str:
    x = code.inputs[0]
    assert x is not None
    steps = _steps(x.shape, op._axes(x.rank))
    calls, source = [], code.input(0)
    for index, (outer, size, inner) in enumerate(steps):
        last = index == len(steps) - 1
        target = code.output(0) if last else code.scratch(x.dtype, (*outer, *inner))
        # the first step takes the elements as they are; later ones combine what steps before them made
        functor = op.functor_name or op.op_type
        if index > 0 and functor == "ReduceSumSquare":
            functor = "ReduceSum"
        calls.append(
            code.call(f"reduce<k::{functor}>", code.count(outer), code.count(size), code.count(inner), source, target)
        )
        source = target
    return "\n".join(calls)


@emits(ReduceMean, kernels=("reduction/reduce.hxx", "elementwise/elementwise.hxx"))
def reduce_mean(op: ReduceMean, code: Emitter) -> str:
    x, y = code.inputs[0], code.outputs[0]
    assert x is not None
    sizes, element = tuple(x.shape[axis] for axis in op._axes(x.rank)), CPP_TYPES[y.dtype]
    if op.mixes_rows(x):
        count = f"static_cast<{element}>({code.count(sizes)})"
    else:
        count = literal(math.prod(static_dims(op.op_type, sizes)), y.dtype)
    divide = f"k::DivideBy<{element}>{{{count}}}"
    return "\n".join(
        [super().emit(code), code.call("map", code.count(y.shape), code.output(0), code.output(0), divide)]
    )
