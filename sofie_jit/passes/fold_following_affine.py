"""Folds a BatchNormalization, scale or offset into the weights of the Dense, Conv or ConvTranspose before it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from sofie_jit.codegen.lowered.dense import Dense
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.affine import Linear, affine, channel_axis, kernel_axes
from sofie_jit.passes.uses import add_weight, uses


def fold_following_affine(rmodel: RModel) -> RModel:
    """Replaces ``s (W x + b) + t`` by ``(s W) x + (s b + t)``; the new weights are computed in float64."""
    new = rmodel.copy()
    new.generate()
    count = uses(new)
    producer: dict[str, int] = {}
    operators: list[ROperator] = []
    for op in rmodel.copy().operators:
        for name in op.inputs:
            folded = _fold(new, operators[producer[name]], op) if name in producer and count[name] == 1 else None
            if folded is not None:
                operators[producer[name]] = folded
                producer[op.outputs[0]] = producer[name]
                break
        else:
            producer.update(dict.fromkeys(op.outputs, len(operators)))
            operators.append(op)
    new.operators = operators
    return new


def _fold(model: RModel, op: ROperator, behind: ROperator) -> ROperator | None:
    """``op`` with ``behind`` folded into its weights; None if that is not possible."""
    if not isinstance(op, Linear) or op.activation is not None or len(op.inputs) > 3:
        return None
    (y,) = op.outputs
    x, kernel, bias = (*op.inputs, "")[:3]
    change = affine(model, behind, channel_axis(model, op, y))
    known = model.initialized
    if change is None or change.source != y or any(name and name not in known for name in (kernel, bias)):
        return None
    dtype = model.tensor_type(y).dtype
    weights, outputs = known[kernel], kernel_axes(op)[1]
    offset = known[bias].astype(np.float64) if bias else np.zeros(weights.shape[outputs])
    offset = offset * (op.beta if isinstance(op, Dense) else 1.0) * change.scale + change.shift
    try:
        with np.errstate(over="raise"):
            shifted = offset.astype(dtype)
            if np.any(change.scale != 1):
                scaled = _scaled(weights, change.scale, outputs, dtype)
                kernel = add_weight(model, f"{kernel}:scaled", scaled, dtype)
    except FloatingPointError:  # too large for float32, although the results may not be
        return None
    inputs = [x, kernel, add_weight(model, f"{bias or kernel}:shifted", shifted, dtype)]
    changes: dict[str, Any] = {"beta": 1.0} if isinstance(op, Dense) else {}
    return dataclasses.replace(op, inputs=inputs, outputs=list(behind.outputs), **changes)


def _scaled(weights: np.ndarray, scale: np.ndarray, axis: int, dtype: str) -> np.ndarray:
    """Weights times a scale along an axis, rounded once from float64, without a copy of the weights in float64."""
    source = np.moveaxis(weights, axis, -1)
    scaled = np.multiply(source, scale, out=np.empty(source.shape, dtype), dtype=np.float64, casting="same_kind")
    return np.ascontiguousarray(np.moveaxis(scaled, -1, axis))
