"""C++ calls of PairwiseCoupling."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.pairwise_coupling import ITERATIONS, PairwiseCoupling


@emits(PairwiseCoupling, kernels=("reduction/pairwise_coupling.hxx",))
def pairwise_coupling(op: PairwiseCoupling, code: Emitter) -> Call:
    """``pairwise_coupling`` of all rows."""
    rows, classes = code.count(code.type_of(0).shape[:1]), op.num_classes
    memory = code.scratch("float64", (classes * (classes + 2),))
    return code.call("pairwise_coupling", rows, classes, ITERATIONS, code.input(0), memory, code.output(0))
