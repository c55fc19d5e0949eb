"""An activation joins the operator whose result it alone reads, and is computed while that is still in registers."""

from __future__ import annotations

import dataclasses
from typing import Any

from sofie_jit.ir.operators.activations import Activation
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.uses import uses


def fuse_activation(rmodel: RModel) -> RModel:
    """Gemm, Conv and others with a free ``activation`` take the Activation that follows them."""
    new = rmodel.copy()
    count = uses(new)
    producer = {name: index for index, op in enumerate(new.operators) for name in op.outputs}
    fused = set()
    for index, op in enumerate(new.operators):
        if not isinstance(op, Activation) or count[op.inputs[0]] != 1 or op.inputs[0] not in producer:
            continue
        before = new.operators[producer[op.inputs[0]]]
        if len(before.outputs) == 1 and before.attributes().get("activation", before) is None:
            activation = dataclasses.replace(op, inputs=[], outputs=[], origin="")
            changes: dict[str, Any] = {"activation": activation, "outputs": list(op.outputs)}
            new.operators[producer[op.inputs[0]]] = dataclasses.replace(before, **changes)
            producer[op.outputs[0]] = producer[op.inputs[0]]
            fused.add(index)
    new.operators = [op for index, op in enumerate(new.operators) if index not in fused]
    return new
