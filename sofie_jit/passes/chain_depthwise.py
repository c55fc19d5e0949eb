"""Merges a depthwise convolution with the 1 x 1 convolutions before and after it, where that saves memory traffic."""

from __future__ import annotations

import math

import numpy as np

from sofie_jit.codegen.lowered.conv import FusedConv
from sofie_jit.codegen.lowered.depthwise_chain import (
    DepthwiseChain,
    DepthwiseChainOrParts,
    can_be_filtered,
    is_pointwise,
)
from sofie_jit.codegen.tuning import CACHED_BYTES
from sofie_jit.ir.dims import product
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType
from sofie_jit.passes.uses import uses


def chain_depthwise(rmodel: RModel) -> RModel:
    """Replaces a depthwise convolution and its 1 x 1 neighbors by a DepthwiseChain at the position of the last of them.

    The tensors between them must have no other use, and one of them must be larger than :data:`CACHED_BYTES`: smaller
    ones stay in the cache anyway. If that depends on sizes that are known only at run time, it becomes a
    DepthwiseChainOrParts.
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
        expand = _pointwise(new, operators, made_by.get(source)) if count[source] == 1 else None
        if expand and len(expand.inputs) > 3 and expand.inputs[3]:
            expand = None
        project = _pointwise(new, operators, read_by.get(result)) if count[result] == 1 else None
        if project and project.inputs[0] != result:  # it adds it
            project = None
        between = [*([source] if expand else []), *([result] if project else [])]
        largest = max(map(_bytes, map(new.tensor_type, between)), default=0)
        if largest <= CACHED_BYTES:
            continue
        for name in between:
            operators[made_by[name]] = None
        cls = DepthwiseChain if math.isfinite(largest) else DepthwiseChainOrParts
        operators[made_by[(project or op).outputs[0]]] = _chain(cls, expand, op, project)  # type: ignore[arg-type]
    new.operators = [op for op in operators if op is not None]
    return new


def _is_depthwise(model: RModel, op: ROperator) -> bool:
    if not isinstance(op, FusedConv) or not _has_weights(model, op):
        return False
    return can_be_filtered(op, *map(model.tensor_type, op.inputs[:2]))


def _pointwise(model: RModel, operators: list[ROperator | None], index: int | None) -> FusedConv | None:
    """The 1 x 1 convolution at ``index``, if there is one that is not part of a chain yet."""
    op = None if index is None else operators[index]
    if not isinstance(op, FusedConv) or not _has_weights(model, op):
        return None
    return op if is_pointwise(op, *map(model.tensor_type, op.inputs[:2])) else None


def _has_weights(model: RModel, op: FusedConv) -> bool:
    return all(name in model.initialized for name in op.inputs[1:3] if name)


def _bytes(image: TensorType) -> float:
    """Bytes of an image; infinity if its size is known only at run time."""
    count = product(*image.shape[1:])
    return count * np.dtype(image.dtype).itemsize if isinstance(count, int) else math.inf


def _chain(
    cls: type[DepthwiseChain], expand: FusedConv | None, depthwise: FusedConv, project: FusedConv | None
) -> DepthwiseChain:
    def operands(conv: FusedConv | None, places: range) -> list[str]:
        return [conv.inputs[i] if conv and i < len(conv.inputs) else "" for i in places]

    convs = [conv for conv in (expand, depthwise, project) if conv]
    inputs = [*operands(expand, range(1, 3)), *operands(depthwise, range(1, 3)), *operands(project, range(1, 4))]
    return cls(
        expand=expand,
        depthwise=depthwise,
        project=project,
        inputs=[convs[0].inputs[0], *inputs],
        outputs=list(convs[-1].outputs),
        origin=", ".join(conv.origin for conv in convs if conv.origin),
    )
