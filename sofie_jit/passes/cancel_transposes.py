"""Merges a Transpose of a Transpose into one Transpose, or removes both."""

from __future__ import annotations

from sofie_jit.ir.operators.activations import Activation
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.eliminate_dead_code import eliminate_dead_code
from sofie_jit.passes.uses import replace_tensor, uses


def cancel_transposes(rmodel: RModel) -> RModel:
    """Moves Transposes after the activations that follow them, merges adjacent ones and removes identities."""
    new = rmodel.copy()
    count = uses(new)
    source: dict[str, ROperator] = {}  # tensor -> the Transpose that computes it
    for op in new.operators:
        before = source.get(op.inputs[0]) if op.inputs else None
        if isinstance(op, Activation) and isinstance(before, Transpose) and count[op.inputs[0]] == 1:
            # T(x) -> f -> y  becomes  x -> f -> T(..): the Transpose gets nearer to the next one
            op.inputs, before.inputs = [before.inputs[0]], list(before.outputs)
            op.outputs, before.outputs = list(before.outputs), list(op.outputs)
            new.operators = _moved_behind(new.operators, before, op)
            del source[op.outputs[0]]
            source[before.outputs[0]] = before
            continue
        if not isinstance(op, Transpose):
            continue
        if isinstance(before, Transpose):
            op.inputs, op.perm = [before.inputs[0]], [before.perm[axis] for axis in op.perm]
        source[op.outputs[0]] = op
    for op in new.operators:
        if isinstance(op, Transpose) and list(op.perm) == sorted(op.perm):
            replace_tensor(new, op.outputs[0], op.inputs[0])
    return eliminate_dead_code(new)


def _moved_behind(operators: list[ROperator], moved: ROperator, other: ROperator) -> list[ROperator]:
    rest = [op for op in operators if op is not moved]
    at = next(index for index, op in enumerate(rest) if op is other)
    return [*rest[: at + 1], moved, *rest[at + 1 :]]
