"""Converts operators from ONNX's channels-first layout to channels-last, the only layout that kernels support."""

from __future__ import annotations

import dataclasses
from typing import Any

from sofie_jit.codegen.lowered.conv import FusedConv
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.ir.rmodel import RModel


def lower_layout(rmodel: RModel) -> RModel:
    """Sets ``layout`` to NHWC where it is NCHW, with a Transpose before and after the operator."""
    new = rmodel.copy()
    new.generate()
    new.operators = [part for op in new.operators for part in _lower(new, op)]
    return new


def _lower(model: RModel, op: ROperator) -> list[ROperator]:
    if op.attributes().get("layout") != "NCHW":
        return [op]
    (y,) = op.outputs
    axes = list(range(model.tensor_type(y).rank))
    last = [0, *axes[2:], 1]  # the axes in the order batch, space, channels
    first = [0, axes[-1], *axes[1:-1]]
    parts: list[ROperator] = []

    def transposed(name: str) -> str:
        output = model.unique_name(f"{y}:{name}_nhwc")
        parts.append(Transpose(perm=last, inputs=[name], outputs=[output], origin=op.origin))
        return output

    images = (0, 3) if isinstance(op, FusedConv) else (0,)  # X, and the residual of a convolution
    changes: dict[str, Any] = {
        "layout": "NHWC",
        "inputs": [transposed(name) if name and i in images else name for i, name in enumerate(op.inputs)],
        "outputs": [model.unique_name(f"{y}:nhwc")],
    }
    inner = dataclasses.replace(op, **changes)
    return [*parts, inner, Transpose(perm=first, inputs=list(inner.outputs), outputs=[y], origin=op.origin)]
