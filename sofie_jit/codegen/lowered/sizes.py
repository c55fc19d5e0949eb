"""C++ calls of Sizes and Iota."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call, modulo
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.sizes import Iota, Sizes

KERNELS = ("movement/iota.hxx",)


@emits(Sizes, kernels=KERNELS)
def sizes(op: Sizes, code: Emitter) -> Call:
    """Numbers from a struct."""
    values = code.struct(f"SizeList<{len(op.values)}>", list(map(modulo, op.values)))
    return code.call("store_sizes", values, code.output(0))


@emits(Iota, kernels=KERNELS)
def iota(op: Iota, code: Emitter) -> Call:
    """``iota``."""
    return code.call("iota", code.dim(op.size), modulo(op.start), modulo(op.step), code.output(0))
