"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.resample`."""

from __future__ import annotations
import math
from collections.abc import Sequence
from dataclasses import dataclass
from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.operators.geometry import by_vector
from sofie_jit.ir.operators.operator import (
    Emitter,
    ROperator,
    TensorType,
    common_dtype,
    format_shape,
    normalize_axis,
    split_count,
    static_dim,
    static_dims,
)
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.resample import Resample


@emits(Resample, kernels=("resize/resample.hxx",))
def resample(op: Resample, code: Emitter) -> str:
    x, weights = code.inputs[0], code.inputs[1]
    assert x is not None
    assert weights is not None
    op.check_constant(code, 1, 2)
    axis = op._axis(x)
    size, (out, taps) = static_dim("Resample", x.shape, axis), static_dims("Resample", weights.shape)
    inner = math.prod(static_dims("Resample", x.shape[axis + 1 :]))
    spans = code.packed("pack_spans", code.raw(2), out, size, taps, dtype="int64")
    return code.call(
        f"resample<{by_vector(lambda lanes: inner < lanes, x.dtype)}>", code.count(x.shape[:axis]),
        size, out, inner, taps, code.input(0), code.input(1), spans, code.output(0),
    )  # fmt: skip
