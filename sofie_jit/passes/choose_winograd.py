"""Chooses Winograd's minimal filtering for the 3 x 3 convolutions that are faster with it."""

from __future__ import annotations

import numpy as np

from sofie_jit.codegen.lowered.conv import FusedConv
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.uses import converted


def choose_winograd(rmodel: RModel) -> RModel:
    """Replaces every convolution by a WinogradConv if its shape makes that faster.

    If that depends on the size of the image, which is known only at run time, it becomes a WinogradOrDirectConv.

    Convolutions with infinite weights are not replaced: differences of these weights are NaN where the sum of products
    is infinite.
    """
    new = rmodel.copy()
    for index, op in enumerate(new.operators):
        if not isinstance(op, FusedConv) or op.inputs[1] not in new.initialized:
            continue
        kernel = op.winograd_kernel(*map(new.tensor_type, op.inputs[:2]))
        if kernel and np.isfinite(new.initialized[op.inputs[1]]).all():
            new.operators[index] = converted(op, kernel)
    return new
