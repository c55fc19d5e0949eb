"""A BatchNormalization right behind a Gemm, Conv or ConvTranspose becomes part of its weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from sofie_jit.operators.conv import Conv
from sofie_jit.operators.conv_transpose import ConvTranspose
from sofie_jit.operators.gemm import Gemm
from sofie_jit.operators.normalization import BatchNormalization
from sofie_jit.operators.operator import ROperator
from sofie_jit.passes.uses import uses
from sofie_jit.rmodel import RModel


def fold_batchnorm(rmodel: RModel) -> RModel:
    """Scales the weights of the operator before, in float64, and moves its bias: ``s (W x + b - mean) + B``."""
    new = rmodel.copy()
    new.generate()
    count = uses(new)
    producer: dict[str, int] = {}
    operators: list[ROperator] = []
    for op in rmodel.copy().operators:
        index = producer.get(op.inputs[0]) if op.inputs else None
        if isinstance(op, BatchNormalization) and index is not None and count[op.inputs[0]] == 1:
            folded = _fold(new, operators[index], op)
            if folded is not None:
                operators[index] = folded
                producer[op.outputs[0]] = index
                continue
        producer.update(dict.fromkeys(op.outputs, len(operators)))
        operators.append(op)
    new.operators = operators
    return new


def _fold(model: RModel, op: ROperator, norm: BatchNormalization) -> ROperator | None:
    """``op`` with ``norm`` in its weights, or None if it cannot take it."""
    if not isinstance(op, (Gemm, Conv, ConvTranspose)) or op.activation is not None:
        return None
    x, kernel, bias = (*op.inputs, "")[:3]
    _, gamma, beta, mean, variance = norm.inputs
    known = model.initialized
    if any(name and name not in known for name in (kernel, bias, gamma, beta, mean, variance)):
        return None
    kind = model.tensor_type(op.outputs[0])
    channels = 1 if not isinstance(op, Gemm) and op.layout == "NCHW" else kind.rank - 1
    if norm.axis % kind.rank != channels:
        return None

    def values(name: str, default: float) -> np.ndarray:
        return known[name].astype(np.float64) if name else np.full(known[mean].shape, default)

    scale = values(gamma, 1.0) / np.sqrt(values(variance, 1.0) + norm.epsilon)
    beta_of_op = op.beta if isinstance(op, Gemm) else 1.0
    shifted = (beta_of_op * values(bias, 0.0) - values(mean, 0.0)) * scale + values(beta, 0.0)
    weights = known[kernel].astype(np.float64)
    layout = ("OI" if op.trans_b else "IO") if isinstance(op, Gemm) else op.kernel_layout
    axis = layout.replace("HW", "").index("O") + (weights.ndim - 2 if layout.startswith("HW") else 0)
    weights = weights * scale.reshape(-1, *[1] * (weights.ndim - 1 - axis))

    def add(hint: str, array: np.ndarray) -> str:
        name = model.unique_name(hint)
        known[name] = array.astype(kind.dtype)
        return name

    inputs = [x, add(f"{kernel}:normalized", weights), add(f"{bias or kernel}:shifted", shifted)]
    changes: dict[str, Any] = {"beta": 1.0} if isinstance(op, Gemm) else {}
    return dataclasses.replace(op, inputs=inputs, outputs=list(norm.outputs), **changes)
