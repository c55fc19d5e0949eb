"""Replaces a strided 1 x 1 convolution by a Slice and a convolution without strides, which is a matrix product."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from sofie_jit.codegen.lowered.conv import FusedConv
from sofie_jit.ir.operators.geometry import Axis
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.slice import Slice
from sofie_jit.ir.rmodel import RModel


def slice_strides(rmodel: RModel) -> RModel:
    """Inserts a Slice before every strided 1 x 1 Conv of channels-last images; convolutions of one tensor share it."""
    new = rmodel.copy()
    new.generate()
    slices: dict[tuple[str, Sequence[Axis]], str] = {}
    operators: list[ROperator] = []
    for op in new.operators:
        axes = _strided_pixels(new, op)
        if not axes:
            operators.append(op)
            continue
        x = op.inputs[0]
        if (x, axes) not in slices:
            slices[x, axes] = new.unique_name(f"{op.outputs[0]}:pixels")
            operators.append(Slice(
                starts=[0] * len(axes), ends=[axis.size for axis in axes], steps=[axis.stride for axis in axes],
                axes=list(range(1, len(axes) + 1)), inputs=[x], outputs=[slices[x, axes]], origin=op.origin,
            ))  # fmt: skip
        changes: dict[str, Any] = {"strides": None, "auto_pad": "VALID", "pads": None}
        operators.append(dataclasses.replace(op, inputs=[slices[x, axes], *op.inputs[1:]], **changes))
    new.operators = operators
    return new


def _strided_pixels(model: RModel, op: ROperator) -> tuple[Axis, ...]:
    """The axes of a Conv that reads single pixels and not all of them; none of other operators."""
    if not isinstance(op, FusedConv) or op.group != 1 or op.layout != "NHWC":
        return ()
    axes = op.axes(*map(model.tensor_type, op.inputs[:2]))
    single = all(axis.kernel == 1 and not axis.padded for axis in axes)
    return axes if single and any(axis.stride > 1 for axis in axes) else ()
