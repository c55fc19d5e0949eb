"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.resize`."""

from __future__ import annotations
from collections.abc import Sequence
from dataclasses import dataclass
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.geometry import by_vector, image_axes, image_shape
from sofie_jit.ir.operators.operator import Emitter, ROperator, Shape, TensorType, float_dtype, format_shape, literal
from sofie_jit.ir.operators.pick import Pick, PickOperator
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.resize import Upsample, Resize, _check_scales, _open


@emits(Upsample)
def upsample(op: Upsample, code: Emitter) -> str:
    return op.emit_pick(code, literal(0, code.outputs[0].dtype))


@emits(Resize, kernels=("resize/resize.hxx",))
def resize(op: Resize, code: Emitter) -> str:
    x = code.inputs[0]
    assert x is not None
    sizes, out, channels = op._sizes(x)
    few = by_vector(lambda lanes: channels < lanes, x.dtype)
    return code.call(
        f"resize_bilinear<{few}>", code.count(x.shape[:1]), *sizes,
        channels, *out, code.input(0), code.output(0),
    )  # fmt: skip
