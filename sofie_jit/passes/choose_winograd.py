"""Convolutions of 3 x 3 taps that are faster by Winograd's minimal filtering are computed by it."""

from __future__ import annotations

import dataclasses

from sofie_jit.operators.conv import Conv
from sofie_jit.rmodel import RModel


def choose_winograd(rmodel: RModel) -> RModel:
    """Sets ``winograd`` of every Conv whose shape makes it pay."""
    new = rmodel.copy()
    for index, op in enumerate(new.operators):
        if isinstance(op, Conv) and op.winograd_pays(*map(new.tensor_type, op.inputs[:2])):
            new.operators[index] = dataclasses.replace(op, winograd=True)
    return new
