"""Lets products skip the zeros of inputs that may contain many."""

from __future__ import annotations

import dataclasses

import numpy as np

from sofie_jit.codegen.lowered.conv import DenseConv
from sofie_jit.codegen.lowered.dense import Dense
from sofie_jit.ir.operators.activations import Activation
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.elementwise import Cast, Mul
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.pool import MaxPool
from sofie_jit.ir.operators.reduce import ReduceMax, ReduceSum
from sofie_jit.ir.operators.slice import Slice
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.ir.rmodel import RModel

KEEPS_ZEROS = (Slice, Transpose, Concat, MaxPool, Mul, ReduceMax, ReduceSum)
"""Operators that preserve all or most zeros of their input, in addition to aliases."""


def skip_zeros(rmodel: RModel) -> RModel:
    """Sets ``skip_zeros`` of every Dense and DenseConv whose input may contain many zeros and that is large enough.

    Such inputs are the outputs of a relu, of a Cast, which is the last operator of a one-hot encoding, and the inputs
    of the model, which may be pixels or padded sequences. The kernel counts the zeros of each batch and decides whether
    to skip them. Products with infinite weights do not skip zeros, because infinity times zero is NaN.
    """
    new = rmodel.copy()
    new.generate()
    with_zeros = set(new.inputs)
    for index, op in enumerate(new.operators):
        if _gives_zeros(op) or ((op.is_alias or isinstance(op, KEEPS_ZEROS)) and with_zeros.intersection(op.inputs)):
            with_zeros.update(op.outputs)
        if (
            isinstance(op, (Dense, DenseConv))
            and op.inputs[0] in with_zeros
            and op.zeros_pay(*map(new.tensor_type, op.inputs[:2]))
            and op.inputs[1] in new.initialized
            and np.isfinite(op.attributes().get("alpha", 1) * new.initialized[op.inputs[1]]).all()
        ):
            new.operators[index] = dataclasses.replace(op, skip_zeros=True)
    return new


def _gives_zeros(op: ROperator) -> bool:
    """Whether it is a Cast, or ends in a relu: numbers below zero become zero."""
    activation = op if isinstance(op, Activation) else op.attributes().get("activation")
    relu = isinstance(activation, Activation) and activation.bounds is not None and activation.bounds[0] == 0.0
    return relu or isinstance(op, Cast)
