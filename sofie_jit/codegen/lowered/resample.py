"""C++ calls of Resample."""

from __future__ import annotations

import math

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.codegen.lowered.window import by_register_width
from sofie_jit.ir.dims import static_dim, static_dims
from sofie_jit.ir.operators.resample import Resample


@emits(Resample, kernels=("resize/resample.hxx",))
def resample(op: Resample, code: Emitter) -> Call:
    """``resample`` along one axis."""
    x = code.type_of(0)
    code.require_constants(1, 2)
    axis = op.resampled_axis(x)
    size, (out, taps) = static_dim("Resample", x.shape, axis), static_dims("Resample", code.type_of(1).shape)
    inner = math.prod(static_dims("Resample", x.shape[axis + 1 :]))
    spans = code.packed("pack_spans", code.raw(2), out, size, taps, dtype="int64")
    return code.call(
        f"resample<{by_register_width(lambda lanes: inner < lanes, x.dtype)}>", code.count(x.shape[:axis]),
        size, out, inner, taps, code.input(0), code.input(1), spans, code.output(0),
    )  # fmt: skip
