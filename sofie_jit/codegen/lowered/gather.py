"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.gather`."""

from __future__ import annotations
from dataclasses import dataclass
from sofie_jit.ir.operators.operator import Emitter, ROperator, TensorType, counts_rows, normalize_axis
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.gather import Gather


@emits(Gather, kernels=("movement/gather.hxx",), failure="an index lies outside the table it points into")
def gather(op: Gather, code: Emitter) -> str:
    data, indices = code.inputs
    assert data is not None
    assert indices is not None
    axis = normalize_axis("Gather", op.axis, data.rank)
    return code.checked_call(
        "gather", code.count(data.shape[:axis]), code.dim(data.shape[axis]), code.count(data.shape[axis + 1 :]),
        code.count(indices.shape), code.input(0), code.input(1), code.output(0),
    )  # fmt: skip
