"""Convolutions of 3 x 3 taps that are faster by Winograd's minimal filtering are computed by it."""

from __future__ import annotations

import dataclasses

import numpy as np

from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.rmodel import RModel


def choose_winograd(rmodel: RModel) -> RModel:
    """Sets ``winograd`` of every Conv whose shape makes it pay.

    Not with infinite weights, whose differences would be NaN where the sum of products is infinite.
    """
    new = rmodel.copy()
    for index, op in enumerate(new.operators):
        if (
            isinstance(op, Conv)
            and op.winograd_pays(*map(new.tensor_type, op.inputs[:2]))
            and op.inputs[1] in new.initialized
            and np.isfinite(new.initialized[op.inputs[1]]).all()
        ):
            new.operators[index] = dataclasses.replace(op, winograd=True)
    return new
