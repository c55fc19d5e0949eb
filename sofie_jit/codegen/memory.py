"""The memory of intermediate tensors: an arena of slots, each reused after the last use of its tensor.

Tensors whose lifetimes overlap do not share a slot, except that an operator may overwrite an input that is not used
later. Sizes may depend on run-time dimensions, so the size of a slot is a number of bytes times a product of
expressions over them, and only tensors with the same product share a slot.
"""

from __future__ import annotations

from collections.abc import Iterable

from sofie_jit.codegen.lowered.emission import in_place
from sofie_jit.ir.dims import BATCH, names_of
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement, undecided
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.rows import RowsMixedError
from sofie_jit.ir.track_rows import track_rows


def last_uses(rmodel: RModel, roots: dict[str, str]) -> dict[str, int]:
    """The index of the last operator that touches each memory of the arena.

    ``roots``: see :func:`sofie_jit.codegen.storage.storage`.
    """
    given = {roots[name] for name in (*rmodel.inputs, *rmodel.initialized, *rmodel.outputs)}
    last: dict[str, int] = {}
    for index, op in enumerate(rmodel.operators):
        for name in _named((*op.inputs, *op.outputs)):
            if roots[name] not in given:
                last[roots[name]] = index
    return last


def memory_taken_over(rmodel: RModel, roots: dict[str, str], last: dict[str, int], index: int) -> str:
    """The input of operator ``index`` whose memory the result can overwrite; "" if there is none."""
    op = rmodel.operators[index]
    if op.is_alias or not op.outputs[0]:  # a recurrent layer that is asked for its last state alone
        return ""
    result = rmodel.tensor_type(op.outputs[0])
    places = in_place(op, *(rmodel.tensor_type(name) if name else None for name in op.inputs))
    for name in (op.inputs[i] for i in places if i < len(op.inputs) and op.inputs[i]):
        root = roots[name]
        readers = [i for i, other in enumerate(op.inputs) if other and roots[other] == root]
        if (
            last.get(root) == index
            and set(readers) <= set(places)
            and all(rmodel.tensor_type(op.inputs[i]) == result for i in readers)
        ):
            return root
    return ""


def needs(rmodel: RModel, op: ROperator) -> list[Requirement]:
    """The requirements of an operator that the code must check."""
    return undecided(op.requirements(*(rmodel.tensor_type(name) if name else None for name in op.inputs)))


def can_tile(rmodel: RModel) -> bool:
    """Whether rows of the batch are independent, so that a batch may go through the network in tiles."""
    ends = [*rmodel.inputs.values(), *map(rmodel.tensor_type, rmodel.outputs)]
    if not all(t.shape[:1] == (BATCH,) for t in ends):
        return False
    if any(BATCH in names_of((need.left, need.right)) for op in rmodel.operators for need in needs(rmodel, op)):
        return False
    try:
        rows = track_rows(rmodel)
    except RowsMixedError:
        return False
    return all(rows[name].axis == 0 for name in rmodel.outputs)


def _named(names: Iterable[str]) -> Iterable[str]:
    return (name for name in names if name)
