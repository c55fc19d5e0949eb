"""The memory that tensors share because an operator only names it anew."""

from __future__ import annotations

from sofie_jit.ir.rmodel import RModel


def storage(rmodel: RModel) -> dict[str, str]:
    """For every tensor the tensor whose memory it uses: itself, or the input of an alias such as Reshape."""
    roots = {name: name for name in (*rmodel.inputs, *rmodel.initialized)}
    for op in rmodel.operators:
        for name in op.outputs:
            roots[name] = roots[op.inputs[0]] if op.is_alias else name
    return roots
