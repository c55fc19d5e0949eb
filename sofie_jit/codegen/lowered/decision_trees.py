"""C++ calls of DecisionTrees."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.decision_trees import AGGREGATES, DecisionTrees


@emits(DecisionTrees, kernels=("trees/decision_trees.hxx",))
def decision_trees(op: DecisionTrees, code: Emitter) -> Call:
    """``decision_trees`` of all rows."""
    x, base, roots = code.type_of(0), code.type_of(1), code.type_of(4)
    return code.call(
        "decision_trees", code.count(x.shape[:1]), code.dim(x.shape[1]),
        code.count(base.shape), code.count(roots.shape),
        AGGREGATES.index(op.aggregate), *(code.input(i) for i in range(7)), code.scratch("float64", base.shape),
        code.scratch("bool", base.shape), code.output(0),
    )  # fmt: skip
