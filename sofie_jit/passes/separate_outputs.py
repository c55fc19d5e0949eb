"""Gives every output of the model memory of its own."""

from __future__ import annotations

from sofie_jit.codegen.storage import storage
from sofie_jit.ir.operators.identity import Identity
from sofie_jit.ir.rmodel import RModel


def separate_outputs(rmodel: RModel) -> RModel:
    """Copies outputs that are inputs, weights, aliases of these, or listed twice."""
    new = rmodel.copy()
    new.generate()
    roots = storage(new)
    taken = set(new.inputs) | set(new.initialized)
    for index, name in enumerate(new.outputs):
        if roots[name] in taken:
            copy = f"{name}:output{index}"
            new.add_operator(Identity(inputs=[name], outputs=[copy]))
            new.outputs[index] = copy
        else:
            taken.add(roots[name])
    return new
