"""Fuses an activation into the operator before it, whose kernel applies it while the result is in registers."""

from __future__ import annotations

import dataclasses
from typing import Any

from sofie_jit.ir.operators.activations import Activation
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.uses import uses


def fuse_activation(rmodel: RModel) -> RModel:
    """Sets ``activation`` of Dense, FusedConv and similar operators to the Activation after them, and removes that.

    The Activation must be the only user of the operator's output.
    """
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
