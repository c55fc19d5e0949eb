"""C++ calls of Transpose, and strided copies."""

from __future__ import annotations

from collections.abc import Sequence

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.dims import Dim, Shape, product
from sofie_jit.ir.operators.transpose import Transpose


@emits(Transpose, kernels=("movement/transpose.hxx",))
def transpose(op: Transpose, code: Emitter) -> Call:
    """A strided copy."""
    x = code.type_of(0)
    return strided_copy(code, [(x.shape[axis], x.shape[axis + 1 :]) for axis in op.perm])


def strided_copy(code: Emitter, axes: Sequence[tuple[Dim, Shape | None]]) -> Call:
    """The call of ``transpose``: per axis of the output its size, and the shape whose elements one step skips.

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
    sizes = [code.count(dims) for dims, _ in merged]
    steps = [0 if stride is None else code.count(stride) for _, stride in merged]
    moved = code.struct(f"StridedAxes<{len(merged)}>", sizes, steps)
    return code.call("transpose", moved, code.input(0), code.output(0))


def _continues(outer: Shape | None, size: Dim, stride: Shape | None) -> bool:
    """Whether a step along an axis of stride ``outer`` goes where ``size`` steps of ``stride`` do."""
    if outer is None or stride is None:
        return outer is stride
    return product(*outer) == product(size, *stride)
