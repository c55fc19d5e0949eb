"""C++ calls of Resize."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call
from sofie_jit.codegen.lowered.emission import emits, require
from sofie_jit.codegen.lowered.pick import pick
from sofie_jit.codegen.lowered.window import by_register_width
from sofie_jit.ir.operators.resize import Resize, Upsample

emits(Upsample, kernels=("movement/pick.hxx",))(pick)


@emits(Resize, kernels=("resize/resize.hxx",))
def resize(op: Resize, code: Emitter) -> Call:
    """``resize_bilinear`` of each image."""
    require(op, mode="linear")
    x = code.type_of(0)
    sizes, out, channels = op.sizes(x)
    few = by_register_width(lambda lanes: channels < lanes, x.dtype)
    return code.call(
        f"resize_bilinear<{few}>", code.count(x.shape[:1]), *map(code.dim, sizes),
        channels, *map(code.dim, out), code.input(0), code.output(0),
    )  # fmt: skip
