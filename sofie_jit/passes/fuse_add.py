"""Fuses an Add of two tensors of one shape, a residual connection, into the Dense or Conv that computes one of them."""

from __future__ import annotations

import dataclasses
from typing import Any

from sofie_jit.codegen.lowered.conv import FusedConv
from sofie_jit.codegen.lowered.dense import Dense
from sofie_jit.ir.operators.elementwise import Add
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.uses import uses


def fuse_add(rmodel: RModel) -> RModel:
    """Replaces the Add by the Dense or FusedConv, with the other operand of the Add as its input R."""
    new = rmodel.copy()
    new.generate()
    count = uses(new)
    made_by: dict[str, int] = {}
    operators: list[ROperator | None] = []
    for op in rmodel.copy().operators:
        fused = None
        if isinstance(op, Add):
            sources = sorted(
                (made_by[name] for name in op.inputs if count[name] == 1 and name in made_by), reverse=True
            )
            for index in sources:
                fused = _fused(new, operators[index], op)
                if fused is not None:
                    operators[index] = None
                    break
        made_by.update(dict.fromkeys(op.outputs, len(operators)))
        operators.append(fused or op)
    new.operators = [op for op in operators if op is not None]
    return new


def _fused(model: RModel, op: ROperator | None, add: Add) -> ROperator | None:
    """``op`` with the other operand of ``add`` as its residual; None if it cannot have one."""
    if not isinstance(op, (Dense, FusedConv)) or op.activation is not None or len(op.inputs) > 3:
        return None
    result, *terms = (model.tensor_type(name).shape for name in (*add.outputs, *add.inputs))
    if any(shape != result for shape in terms):
        return None
    if isinstance(op, FusedConv) and (op.layout == "NCHW" or 1 < op.group == model.tensor_type(op.inputs[0]).shape[-1]):
        return None
    other = next(name for name in add.inputs if name != op.outputs[0])
    inputs = [*op.inputs, *[""] * (3 - len(op.inputs)), other]
    changes: dict[str, Any] = {"inputs": inputs, "outputs": list(add.outputs)}
    return dataclasses.replace(op, **changes)
