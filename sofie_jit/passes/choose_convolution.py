"""Chooses the kernel of every convolution: DenseConv, DepthwiseConv or DirectConv."""

from __future__ import annotations

from sofie_jit.codegen.lowered.conv import FusedConv
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.uses import converted


def choose_convolution(rmodel: RModel) -> RModel:
    """Replaces every FusedConv that has no kernel yet (:meth:`FusedConv.kernel`)."""
    new = rmodel.copy()
    new.generate()

    def chosen(op: ROperator) -> ROperator:
        if type(op) is not FusedConv:
            return op
        return converted(op, op.kernel(*map(new.tensor_type, op.inputs[:2])))

    new.operators = [chosen(op) for op in new.operators]
    return new
