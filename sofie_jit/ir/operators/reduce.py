"""Reductions over any axes: ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd, ReduceSumSquare."""

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


@dataclass(kw_only=True)
class Reduce(ROperator):
    """All numbers along ``axes`` become one; None stands for all axes. With ``keepdims`` the axes stay, of size 1."""

    axes: Sequence[int] | None = None
    keepdims: bool = True

    kernels: ClassVar[tuple[str, ...]] = ("reduction/reduce.hxx",)
    integers: ClassVar[bool] = True
    functor_name: ClassVar[str] = ""

    def _axes(self, rank: int) -> list[int]:
        axes = range(rank) if self.axes is None else self.axes
        return sorted({normalize_axis(self.op_type, axis, rank) for axis in axes})

    def infer(self, x: TensorType) -> TensorType:
        float_dtype(self.op_type, x, integers=self.integers)
        axes = self._axes(x.rank)
        shape = ((1 if axis in axes else dim) for axis, dim in enumerate(x.shape) if self.keepdims or axis not in axes)
        return TensorType(x.dtype, tuple(shape))

    def mixes_rows(self, x: TensorType) -> bool:
        return any(counts_rows(x.shape[axis]) for axis in self._axes(x.rank))

    def emit(self, code: Emitter) -> str:
        x = code.inputs[0]
        assert x is not None
        steps = _steps(x.shape, self._axes(x.rank))
        calls, source = [], code.input(0)
        for index, (outer, size, inner) in enumerate(steps):
            last = index == len(steps) - 1
            target = code.output(0) if last else code.scratch(x.dtype, (*outer, *inner))
            # the first step takes the elements as they are; later ones combine what steps before them made
            functor = self.functor_name or self.op_type
            if index > 0 and functor == "ReduceSumSquare":
                functor = "ReduceSum"
            calls.append(
                code.call(
                    f"reduce<k::{functor}>", code.count(outer), code.count(size), code.count(inner), source, target
                )
            )
            source = target
        return "\n".join(calls)


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


class ReduceSum(Reduce):
    """The sum."""


class ReduceSumSquare(Reduce):
    """The sum of the squares."""

    integers = False


class ReduceProd(Reduce):
    """The product."""


class ReduceMax(Reduce):
    """The largest number; NaN if there is one."""


class ReduceMin(Reduce):
    """The smallest number; NaN if there is one."""


class ReduceMean(Reduce):
    """The mean; the axes it is taken over must have known sizes, but for the batch."""

    kernels = ("reduction/reduce.hxx", "elementwise/elementwise.hxx")
    integers = False
    functor_name = "ReduceSum"

    def emit(self, code: Emitter) -> str:
        x, y = code.inputs[0], code.outputs[0]
        assert x is not None
        sizes, element = tuple(x.shape[axis] for axis in self._axes(x.rank)), CPP_TYPES[y.dtype]
        if self.mixes_rows(x):
            count = f"static_cast<{element}>({code.count(sizes)})"
        else:
            count = literal(math.prod(static_dims(self.op_type, sizes)), y.dtype)
        divide = f"k::DivideBy<{element}>{{{count}}}"
        return "\n".join(
            [super().emit(code), code.call("map", code.count(y.shape), code.output(0), code.output(0), divide)]
        )
