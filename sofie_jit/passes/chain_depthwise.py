"""A depthwise convolution is computed together with those of 1 x 1 taps around it, where that saves memory traffic."""

from __future__ import annotations

import math

import numpy as np

from sofie_jit.codegen.kernel_library import constant
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.depthwise_chain import DepthwiseChain, can_be_filtered, is_pointwise
from sofie_jit.ir.operators.operator import ROperator, TensorType, static_dims
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.uses import uses

CACHED = constant("gemm/gemm.hxx", "cached")
"""Bytes of an image that the next convolution finds in a second-level cache."""


def chain_depthwise(rmodel: RModel) -> RModel:
    """Convs of 1 x 1 taps join the depthwise Conv that alone reads or makes what is between, at the place of the last.

    Where an image between them is larger than :data:`CACHED`; smaller ones stay in the cache without it.
    """
    new = rmodel.copy()
    new.generate()
    count = uses(new)
    made_by = {name: index for index, op in enumerate(new.operators) for name in op.outputs}
    read_by = {name: index for index, op in enumerate(new.operators) for name in op.inputs}
    operators: list[ROperator | None] = list(new.operators)
    for index, op in enumerate(new.operators):
        if operators[index] is None or not _is_depthwise(new, op):
            continue
        source, result = op.inputs[0], op.outputs[0]
        before = _pointwise(new, operators, made_by.get(source)) if count[source] == 1 else None
        if before and len(before.inputs) > 3 and before.inputs[3]:
            before = None
        behind = _pointwise(new, operators, read_by.get(result)) if count[result] == 1 else None
        if behind and behind.inputs[0] != result:  # it adds it
            behind = None
        between = [*([source] if before else []), *([result] if behind else [])]
        if max(map(_bytes, map(new.tensor_type, between)), default=0) <= CACHED:
            continue
        for name in between:
            operators[made_by[name]] = None
        operators[made_by[(behind or op).outputs[0]]] = _chain(before, op, behind)  # type: ignore[arg-type]
    new.operators = [op for op in operators if op is not None]
    return new


def _is_depthwise(model: RModel, op: ROperator) -> bool:
    return (
        isinstance(op, Conv) and _has_weights(model, op) and can_be_filtered(op, *map(model.tensor_type, op.inputs[:2]))
    )


def _pointwise(model: RModel, operators: list[ROperator | None], index: int | None) -> Conv | None:
    """The Conv of 1 x 1 taps at ``index``, if there is one and no chain has it."""
    op = None if index is None else operators[index]
    if isinstance(op, Conv) and _has_weights(model, op) and is_pointwise(op, *map(model.tensor_type, op.inputs[:2])):
        return op
    return None


def _has_weights(model: RModel, op: Conv) -> bool:
    return all(name in model.initialized for name in op.inputs[1:3] if name)


def _bytes(image: TensorType) -> int:
    return math.prod(static_dims("Conv", image.shape[1:])) * np.dtype(image.dtype).itemsize


def _chain(before: Conv | None, depthwise: Conv, behind: Conv | None) -> DepthwiseChain:
    def operands(conv: Conv | None, places: range) -> list[str]:
        return [conv.inputs[i] if conv and i < len(conv.inputs) else "" for i in places]

    convs = [conv for conv in (before, depthwise, behind) if conv]
    inputs = [*operands(before, range(1, 3)), *operands(depthwise, range(1, 3)), *operands(behind, range(1, 4))]
    return DepthwiseChain(
        before=before,
        depthwise=depthwise,
        behind=behind,
        inputs=[convs[0].inputs[0], *inputs],
        outputs=list(convs[-1].outputs),
        origin=", ".join(conv.origin for conv in convs if conv.origin),
    )
