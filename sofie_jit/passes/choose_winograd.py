"""Chooses Winograd's minimal filtering for the 3 x 3 convolutions that are faster with it."""

from __future__ import annotations

import numpy as np

from sofie_jit.codegen.lowered.conv import FusedConv, WinogradConv
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.uses import converted


def choose_winograd(rmodel: RModel) -> RModel:
    """Replaces every convolution by a WinogradConv if its shape makes that faster.

    Convolutions with infinite weights are not replaced: differences of these weights are NaN where the sum of products
    is infinite.
    """
    new = rmodel.copy()
    for index, op in enumerate(new.operators):
        if (
            isinstance(op, FusedConv)
            and op.winograd_pays(*map(new.tensor_type, op.inputs[:2]))
            and op.inputs[1] in new.initialized
            and np.isfinite(new.initialized[op.inputs[1]]).all()
        ):
            new.operators[index] = converted(op, WinogradConv)
    return new
