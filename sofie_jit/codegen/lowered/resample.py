"""C++ calls of Resample."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call, Pointer
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.codegen.lowered.window import by_register_width
from sofie_jit.ir.dims import product
from sofie_jit.ir.operators.resample import Resample


@emits(Resample, kernels=("resize/resample.hxx",))
def resample(op: Resample, code: Emitter) -> list[Call]:
    """``resample`` along one axis; ``limit_spans`` before it if the spans, or the size of the axis, are not known."""
    x = code.type_of(0)
    axis = op.resampled_axis(x)
    size, (out, taps) = code.dim(x.shape[axis]), map(code.dim, code.type_of(1).shape)
    inner = product(*x.shape[axis + 1 :])
    kernel = "resample_any"
    if isinstance(inner, int):
        kernel = f"resample<{by_register_width(lambda lanes: inner < lanes, x.dtype)}>"
    spans: Pointer
    limit = []
    if code.is_constant(2) and isinstance(size.value, int):
        spans = code.packed("pack_spans", code.raw(2), out, size, taps, dtype="int64")
    else:
        limited = code.scratch("int64", code.type_of(2).shape)
        limit = [code.call("limit_spans", out, size, taps, code.input(2), limited)]
        spans = code.read_only(limited)
    call = code.call(
        kernel, code.count(x.shape[:axis]), size, out, code.count(x.shape[axis + 1 :]), taps, code.input(0),
        code.input(1), spans, code.output(0),
    )  # fmt: skip
    return [*limit, call]
