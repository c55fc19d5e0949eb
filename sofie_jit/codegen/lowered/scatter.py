"""C++ calls of ScatterElements, ScatterND and GatherND."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call, Struct, functor
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.dims import Shape, normalize_axis, static_dim
from sofie_jit.ir.operators.scatter import GatherND, ScatterElements, ScatterND

KERNELS = ("movement/scatter.hxx",)
FAILURE = "an index lies outside the axis it points into"
FUNCTORS = {"none": "Replace", "add": "Add", "mul": "Mul", "max": "Max", "min": "Min"}
"""Values of ``reduction`` -> the C++ functor."""


@emits(ScatterElements, kernels=KERNELS, in_place=(0,))
def scatter_elements(op: ScatterElements, code: Emitter) -> Call:
    """``scatter_elements``: one element per index; fails for an index out of range."""
    data, indices = code.type_of(0), code.type_of(1)
    axis = normalize_axis("ScatterElements", op.axis, data.rank)
    strides = [code.count(data.shape[a + 1 :]) for a in range(data.rank)]
    axes = code.struct(
        f"ScatterAxes<{data.rank}>", [code.dim(n) for n in indices.shape], strides, axis, code.dim(data.shape[axis])
    )
    return code.checked_call(
        "scatter_elements", axes, code.count(data.shape), code.input(0), code.input(1), code.input(2), code.output(0),
        functor(FUNCTORS[op.reduction]), failure=FAILURE,
    )  # fmt: skip


def _table(code: Emitter, sizes: Shape, inner: Shape) -> Struct:
    """Slices of the shape ``inner`` under axes of ``sizes``, which index tuples point to."""
    rank = max(len(sizes), 1)
    return code.struct(
        f"IndexedAxes<{rank}>", len(sizes), [code.dim(n) for n in sizes] or [code.dim(1)], code.count(inner)
    )


@emits(ScatterND, kernels=KERNELS, in_place=(0,))
def scatter_nd(op: ScatterND, code: Emitter) -> Call:
    """``scatter_nd``: one slice per index tuple; fails for an index out of range."""
    data, indices = code.type_of(0), code.type_of(1)
    depth = static_dim("ScatterND", indices.shape, -1)
    return code.checked_call(
        "scatter_nd", _table(code, data.shape[:depth], data.shape[depth:]), code.count(data.shape),
        code.count(indices.shape[:-1]), code.input(0), code.input(1), code.input(2), code.output(0),
        functor(FUNCTORS[op.reduction]), failure=FAILURE,
    )  # fmt: skip


@emits(GatherND, kernels=KERNELS)
def gather_nd(op: GatherND, code: Emitter) -> Call:
    """``gather_nd``: one slice per index tuple; fails for an index out of range."""
    data, indices, n = code.type_of(0), code.type_of(1), op.batch_dims
    end = n + static_dim("GatherND", indices.shape, -1)
    return code.checked_call(
        "gather_nd", _table(code, data.shape[n:end], data.shape[end:]), code.count(data.shape[:n]),
        code.count(indices.shape[n:-1]), code.input(0), code.input(1), code.output(0), failure=FAILURE,
    )  # fmt: skip
