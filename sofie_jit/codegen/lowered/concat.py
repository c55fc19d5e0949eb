"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.concat`."""

from __future__ import annotations
from dataclasses import dataclass
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.operator import (
    CPP_TYPES,
    Dim,
    Emitter,
    ROperator,
    TensorType,
    common_dtype,
    counts_rows,
    format_shape,
    normalize_axis,
)
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.concat import Concat


@emits(Concat, kernels=("movement/concat.hxx",))
def concat(op: Concat, code: Emitter) -> str:
    y = code.outputs[0]
    axis = normalize_axis("Concat", op.axis, y.rank)
    parts = [[code.input(i), code.count(t.shape[axis:])] for i, t in enumerate(code.inputs) if t is not None]
    joined = code.struct(f"ConcatParts<{len(parts)}, {CPP_TYPES[y.dtype]}>", parts)
    return code.call("concat", code.count(y.shape[:axis]), joined, code.output(0))
