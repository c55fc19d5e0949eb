"""Products whose inputs a relu left with many zeros multiply only the others."""

from __future__ import annotations

import dataclasses

import numpy as np

from sofie_jit.operators.activations import Activation
from sofie_jit.operators.concat import Concat
from sofie_jit.operators.conv import Conv
from sofie_jit.operators.gemm import Gemm
from sofie_jit.operators.operator import ROperator
from sofie_jit.operators.slice import Slice
from sofie_jit.operators.transpose import Transpose
from sofie_jit.rmodel import RModel

KEEPS_ZEROS = (Slice, Transpose, Concat)
"""Operators that only bring numbers to another place, beside those that are an alias."""


def skip_zeros(rmodel: RModel) -> RModel:
    """Sets ``skip_zeros`` of every Gemm and Conv that reads what a relu gave, where its shape makes that pay.

    How many zeros there are, and whether it is done, shows with every batch. Not with infinite weights, whose product
    with zero is NaN.
    """
    new = rmodel.copy()
    new.generate()
    with_zeros: set[str] = set()
    for index, op in enumerate(new.operators):
        if _gives_zeros(op) or ((op.is_alias or isinstance(op, KEEPS_ZEROS)) and with_zeros.intersection(op.inputs)):
            with_zeros.update(op.outputs)
        if (
            isinstance(op, (Gemm, Conv))
            and op.inputs[0] in with_zeros
            and op.zeros_pay(*map(new.tensor_type, op.inputs[:2]))
            and op.inputs[1] in new.initialized
            and np.isfinite(op.attributes().get("alpha", 1) * new.initialized[op.inputs[1]]).all()
        ):
            new.operators[index] = dataclasses.replace(op, skip_zeros=True)
    return new


def _gives_zeros(op: ROperator) -> bool:
    """Whether what an operator ends in is a relu: numbers below zero become zero."""
    activation = op if isinstance(op, Activation) else op.attributes().get("activation")
    return isinstance(activation, Activation) and activation.bounds is not None and activation.bounds[0] == 0.0
