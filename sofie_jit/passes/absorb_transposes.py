"""Merges Transposes into an adjacent MatMul, whose kernel reads and writes the axes of its tensors in any order."""

from __future__ import annotations

from sofie_jit.codegen.lowered.matmul import PermutedMatMul
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.eliminate_dead_code import eliminate_dead_code
from sofie_jit.passes.uses import converted, uses


def absorb_transposes(rmodel: RModel) -> RModel:
    """Replaces a MatMul and the Transposes before and after it by a PermutedMatMul.

    A Transpose is merged if only the MatMul uses its output, or if it is the only user of the MatMul's output.
    Transposes that move the last axis of A or Y are kept.
    """
    new = rmodel.copy()
    new.operators = [converted(op, PermutedMatMul) if type(op) is MatMul else op for op in new.operators]
    new.generate()
    count = uses(new)
    made_by: dict[str, ROperator] = {}
    for op in new.operators:
        if isinstance(op, PermutedMatMul):
            for index, attribute in enumerate(("perm_a", "perm_b")):
                before = made_by.get(op.inputs[index])
                if isinstance(before, Transpose) and _joins(before, op, attribute, count[op.inputs[index]]):
                    setattr(op, attribute, before.perm)
                    op.inputs[index] = before.inputs[0]
        elif isinstance(op, Transpose):
            product = made_by.get(op.inputs[0])
            if isinstance(product, PermutedMatMul) and _joins(op, product, "perm_y", count[op.inputs[0]]):
                product.perm_y = op.perm
                op.outputs, product.outputs = list(product.outputs), list(op.outputs)
        made_by.update(dict.fromkeys(op.outputs, op))
    return eliminate_dead_code(new)


def _joins(transpose: Transpose, matmul: PermutedMatMul, attribute: str, count: int) -> bool:
    moves_last = transpose.perm[-1] != len(transpose.perm) - 1
    return count == 1 and getattr(matmul, attribute) is None and not (moves_last and attribute != "perm_b")
