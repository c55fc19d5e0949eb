"""C++ calls of reductions over any axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import CPP_TYPES, Call, Constant, Formatted, Pointer, functor, literal
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.dims import Shape, static_dims
from sofie_jit.ir.operators.reduce import Reduce, ReduceMean


@emits(Reduce, kernels=("reduction/reduce.hxx",))
def reduce(op: Reduce, code: Emitter) -> list[Call]:
    """One call per run of neighboring axes, the last first."""
    x = code.type_of(0)
    steps = _steps(x.shape, op.reduced(x.rank))
    calls: list[Call] = []
    source: Pointer = code.input(0)
    for index, (outer, size, inner) in enumerate(steps):
        last = index == len(steps) - 1
        target = code.output(0) if last else code.scratch(x.dtype, (*outer, *inner))
        # the first step takes the elements as they are; later ones combine the results of the steps before
        function = op.functor_name or op.op_type
        if index > 0 and function == "ReduceSumSquare":
            function = "ReduceSum"
        sizes = (code.count(outer), code.count(size), code.count(inner))
        calls.append(code.call(f"reduce<k::{function}>", *sizes, source, target))
        source = target
    return calls


@emits(ReduceMean, kernels=("reduction/reduce.hxx", "elementwise/elementwise.hxx"))
def reduce_mean(op: ReduceMean, code: Emitter) -> list[Call]:
    """The sum, divided by the number of elements."""
    x, y = code.type_of(0), code.outputs[0]
    sizes, element = tuple(x.shape[axis] for axis in op.reduced(x.rank)), CPP_TYPES[y.dtype]
    divide: Constant | Formatted
    if not all(isinstance(size, int) for size in sizes):
        divide = Formatted(f"k::DivideBy<{element}>{{{{static_cast<{element}>({{}})}}}}", (code.count(sizes),))
    else:
        count = literal(math.prod(static_dims(op.op_type, sizes)), y.dtype)
        divide = functor(f"DivideBy<{element}>", count)
    return [*reduce(op, code), code.call("map", code.count(y.shape), code.output(0), code.output(0), divide)]


def _steps(shape: Shape, axes: Sequence[int]) -> list[tuple[Shape, Shape, Shape]]:
    """A reduction over ``axes`` as ones over neighboring axes, the last first: (outer, reduced, inner) of each."""
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
