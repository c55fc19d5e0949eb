"""Replaces convolutions by FusedConv and FusedConvTranspose, which can have an activation and a residual."""

from __future__ import annotations

from sofie_jit.codegen.lowered.conv import FusedConv
from sofie_jit.codegen.lowered.conv_transpose import FusedConvTranspose
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.uses import converted

FUSED: dict[type[ROperator], type[ROperator]] = {Conv: FusedConv, ConvTranspose: FusedConvTranspose}


def lower_convolutions(rmodel: RModel) -> RModel:
    """Replaces every Conv and ConvTranspose."""
    new = rmodel.copy()
    new.operators = [converted(op, FUSED[type(op)]) if type(op) in FUSED else op for op in new.operators]
    return new
