"""Convolutions of 3 x 3 taps that are faster by Winograd's minimal filtering are computed by it."""

from __future__ import annotations

import numpy as np

from sofie_jit.codegen.lowered.conv import FusedConv, WinogradConv
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.uses import converted


def choose_winograd(rmodel: RModel) -> RModel:
    """Makes a WinogradConv of every convolution whose shape makes it pay.

    Not with infinite weights, whose differences would be NaN where the sum of products is infinite.
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
