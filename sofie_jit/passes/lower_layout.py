"""Operators with ONNX's channels-first layout become channels-last ones, the only kind there are kernels for."""

from __future__ import annotations

import dataclasses
from typing import Any

from sofie_jit.operators.operator import ROperator
from sofie_jit.operators.transpose import Transpose
from sofie_jit.rmodel import RModel


def lower_layout(rmodel: RModel) -> RModel:
    """Puts a Transpose on both sides of every operator whose ``layout`` is NCHW, and makes it NHWC."""
    new = rmodel.copy()
    new.generate()
    new.operators = [part for op in new.operators for part in _lower(new, op)]
    return new


def _lower(model: RModel, op: ROperator) -> list[ROperator]:
    if op.attributes().get("layout") != "NCHW":
        return [op]
    x, (y,) = op.inputs[0], op.outputs
    axes = list(range(model.tensor_type(x).rank))
    last = [0, *axes[2:], 1]  # the axes in the order batch, space, channels
    first = [0, axes[-1], *axes[1:-1]]
    before = Transpose(perm=last, inputs=[x], outputs=[model.unique_name(f"{y}:x_nhwc")], origin=op.origin)
    changes: dict[str, Any] = {
        "layout": "NHWC",
        "inputs": [before.outputs[0], *op.inputs[1:]],
        "outputs": [model.unique_name(f"{y}:nhwc")],
    }
    inner = dataclasses.replace(op, **changes)
    after = Transpose(perm=first, inputs=list(inner.outputs), outputs=[y], origin=op.origin)
    return [before, inner, after]
