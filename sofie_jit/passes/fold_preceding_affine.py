"""Folds a scale and offset, such as Rescaling, into the weights of the Dense, Conv or ConvTranspose after it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.codegen.lowered.conv import FusedConv
from sofie_jit.codegen.lowered.dense import Dense
from sofie_jit.ir.operators.elementwise import Add
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.affine import Linear, affine, channel_axis, kernel_axes
from sofie_jit.passes.eliminate_dead_code import eliminate_dead_code
from sofie_jit.passes.uses import add_weight, uses

LARGEST_SHIFT = 1.0
"""How far numbers may be moved that are not scaled before. ``(x - mean) W`` is exact where x is near to a large mean,
``x W - mean W`` is not; what is scaled first has been rounded by the same amount already."""


def fold_preceding_affine(rmodel: RModel) -> RModel:
    """Replaces ``W (s x + t) + b`` by ``(s W) x + (W t + b)``; the new weights are computed in float64.

    The offset is not added to zeros of the padding. Before an operator that pads, only the scale is folded:
    ``(s W) (x + t / s)``.
    """
    new = rmodel.copy()
    new.generate()
    count = uses(new)
    made_by = {name: op for op in new.operators for name in op.outputs if count[name] == 1}
    parts = [_fold(new, op, made_by) if isinstance(op, Linear) else [op] for op in new.operators]
    new.operators = [op for part in parts for op in part]
    return eliminate_dead_code(new)


def _fold(model: RModel, op: Linear, made_by: Mapping[str, ROperator]) -> list[ROperator]:
    """``op`` with the affine functions before it folded into its weights, after an Add of an offset that remains."""
    x, kernel, bias = (*op.inputs, "")[:3]
    known = model.initialized
    if any(name and name not in known for name in (kernel, bias)):
        return [op]
    scale, shift = np.float64(1), np.float64(0)
    accepted = None
    reader: ROperator | None = None  # the alias, such as a Reshape, that reads what comes next; None: `op` itself
    readers: dict[int, tuple[ROperator | None, str]] = {}
    axis = channel_axis(model, op, x)
    while (before := made_by.get(x)) is not None:
        if before.is_alias:
            reader, x = before, before.inputs[0]
            continue
        step = affine(model, before, axis if reader is None else model.tensor_type(x).rank - 1)
        if step is None or (reader is not None and (step.scale.ndim or step.shift.ndim)):
            break  # channels are elsewhere behind a Reshape, but single numbers are the same for all
        only_moved = not np.any(step.scale != 1)
        scale, shift = scale * step.scale, shift + scale * step.shift
        x = step.source
        readers[id(reader)] = reader, x
        fits = not np.any(shift) or _reads_no_padding(op, known[kernel])
        if fits and not (only_moved and np.abs(shift).max() > LARGEST_SHIFT):
            accepted = scale, shift, dict(readers)
    if accepted is not None:
        return [_folded(model, op, *accepted)]
    if not readers or reader is not None or not np.all(scale) or not np.any(scale != 1):
        return [op]
    kind = model.tensor_type(x)
    apart = shift / scale
    offset = apart.reshape(-1, *[1] * (kind.rank - 1 - axis)) if apart.ndim else apart
    moved = Add(outputs=[model.unique_name(f"{op.outputs[0]}:moved")], origin=op.origin)
    moved.inputs = [x, add_weight(model, f"{x}:offset", offset, kind.dtype)]
    return [moved, _folded(model, op, scale, np.float64(0), {0: (None, moved.outputs[0])})]


def _folded(
    model: RModel, op: Linear, scale: np.ndarray, shift: np.ndarray, readers: Mapping[int, tuple[ROperator | None, str]]
) -> Linear:
    x, kernel, bias = (*op.inputs, "")[:3]
    for alias, source in readers.values():
        if alias is None:
            x = source
        else:
            alias.inputs = [source]
    known, (inputs, outputs) = model.initialized, kernel_axes(op)
    weights = np.moveaxis(known[kernel].astype(np.float64), (inputs, outputs), (-2, -1))
    group = op.group if isinstance(op, FusedConv) else 1
    shape, dtype = weights.shape[-2:], model.tensor_type(op.outputs[0]).dtype
    scale, shift = (_per_weight(values, shape, group) for values in (scale, shift))

    changes: dict[str, Any] = {}
    if np.any(shift):
        offset = (weights * shift).sum(axis=tuple(range(weights.ndim - 1)))
        if isinstance(op, Dense):
            changes["beta"] = 1.0
            offset = op.alpha * offset
        if bias:
            offset = offset + known[bias].astype(np.float64) * (op.beta if isinstance(op, Dense) else 1.0)
        bias = add_weight(model, f"{bias or kernel}:shifted", offset, dtype)
    if np.any(scale != 1):
        scaled = np.moveaxis(weights * scale, (-2, -1), (inputs, outputs))
        kernel = add_weight(model, f"{kernel}:scaled", scaled, dtype)
    return dataclasses.replace(op, inputs=[x, kernel, bias, *op.inputs[3:]], **changes)


def _per_weight(values: np.ndarray, shape: tuple[int, ...], group: int) -> np.ndarray:
    """Numbers per input channel, or for all of them, as (inputs, outputs) of a kernel: each group has its channels."""
    if values.size == 1:
        return values.reshape(1, 1)
    inputs, outputs = shape
    repeated: np.ndarray = values.reshape(group, inputs).T.repeat(outputs // group, axis=1)
    return repeated


def _reads_no_padding(op: Linear, kernel: np.ndarray) -> bool:
    """Whether ``op`` reads no padding, so that each weight contributes to each output."""
    if not isinstance(op, FusedConv):
        return isinstance(op, Dense)
    inputs, outputs = kernel_axes(op)
    single = kernel.size == kernel.shape[inputs] * kernel.shape[outputs]
    return not any(op.pads or ()) and (single or op.auto_pad in ("NOTSET", "VALID"))
