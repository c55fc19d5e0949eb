"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.transpose`."""

from __future__ import annotations
from collections.abc import Sequence
from dataclasses import dataclass
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.operator import (
    Dim,
    Emitter,
    ROperator,
    Shape,
    TensorType,
    counts_rows,
    format_shape,
    split_count,
)
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.transpose import Transpose


def strided_copy(code: Emitter, axes: Sequence[tuple[Dim, Shape | None]]) -> str:
    """The call of ``transpose.hxx``: per axis of the output its size and the shape of what one step skips in the input.

    None stands for an axis that repeats its input. Axes that move together are merged, those of size 1 left out.
    """
    merged: list[tuple[tuple[Dim, ...], Shape | None]] = []
    for size, stride in axes:
        if size == 1:
            continue
        if merged and _continues(merged[-1][1], size, stride):
            merged[-1] = ((*merged[-1][0], size), stride)
        else:
            merged.append(((size,), stride))
    if not merged:
        merged.append(((1,), ()))
    sizes_of = [code.count(sizes) for sizes, _ in merged]
    steps = [0 if stride is None else code.count(stride) for _, stride in merged]
    moved = code.struct(f"StridedAxes<{len(merged)}>", sizes_of, steps)
    return code.call("transpose", moved, code.input(0), code.output(0))


def _continues(outer: Shape | None, size: Dim, stride: Shape | None) -> bool:
    """Whether a step along an axis of stride ``outer`` goes where ``size`` steps of ``stride`` do."""
    if outer is None or stride is None:
        return outer is stride
    return split_count(outer) == split_count((size, *stride))


@emits(Transpose, kernels=("movement/transpose.hxx",))
def transpose(op: Transpose, code: Emitter) -> str:
    x = code.inputs[0]
    assert x is not None
    return strided_copy(code, [(x.shape[axis], x.shape[axis + 1 :]) for axis in op.perm])
