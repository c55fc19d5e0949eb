"""Operators as affine functions ``scale * x + shift`` per channel, for the passes that fold them into weights."""

from __future__ import annotations

import numpy as np

from sofie_jit.codegen.lowered.conv import FusedConv
from sofie_jit.codegen.lowered.conv_transpose import FusedConvTranspose
from sofie_jit.codegen.lowered.dense import Dense
from sofie_jit.ir.operators.elementwise import Add, Div, Mul, Sub
from sofie_jit.ir.operators.normalization import BatchNormalization
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import is_floating
from sofie_jit.records import dataclass

Linear = Dense | FusedConv | FusedConvTranspose


@dataclass
class Affine:
    """``scale * source + shift``, in float64: a number each, or one per channel."""

    source: str
    scale: np.ndarray
    shift: np.ndarray


def affine(model: RModel, op: ROperator, axis: int) -> Affine | None:
    """The affine function that ``op`` computes, with one scale and shift per index along ``axis``, or None."""
    if isinstance(op, BatchNormalization):
        found = _of_statistics(model, op, axis)
    elif isinstance(op, (Add, Sub, Mul, Div)) or op.op_type == "Neg":
        found = _of_arithmetic(model, op, axis)
    else:
        found = None
    if found is None or not (np.isfinite(found.scale).all() and np.isfinite(found.shift).all()):
        return None
    kind = model.tensor_type(op.outputs[0])
    return found if is_floating(kind.dtype) and kind == model.tensor_type(found.source) else None


def _of_statistics(model: RModel, norm: BatchNormalization, axis: int) -> Affine | None:
    source, *parameters = norm.inputs
    if norm.axis % model.tensor_type(source).rank != axis or not all(n in model.initialized for n in parameters if n):
        return None
    gamma, beta, mean, variance = (
        model.initialized[name].astype(np.float64) if name else np.float64(default)
        for name, default in zip(parameters, (1, 0, 0, 1), strict=True)
    )
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return Affine(source, scale, beta - mean * scale)


def _of_arithmetic(model: RModel, op: ROperator, axis: int) -> Affine | None:
    one, zero = np.float64(1), np.float64(0)
    if op.op_type == "Neg":
        return Affine(op.inputs[0], -one, zero)
    second = op.inputs[1] in model.initialized
    source, constant = op.inputs if second else op.inputs[::-1]
    if source in model.initialized or constant not in model.initialized:
        return None
    c = _per_channel(model.initialized[constant], model.tensor_type(source).rank, axis)
    if c is None or (isinstance(op, Div) and not (second and c.all())):
        return None
    if isinstance(op, Sub):
        return Affine(source, one, -c) if second else Affine(source, -one, c)
    if isinstance(op, Add):
        return Affine(source, one, c)
    return Affine(source, c if isinstance(op, Mul) else 1 / c, zero)


def _per_channel(values: np.ndarray, rank: int, axis: int) -> np.ndarray | None:
    """A constant that broadcasts along all axes but ``axis``, as one number or one per channel."""
    padded = (1,) * (rank - values.ndim) + values.shape
    if len(padded) != rank or any(size != 1 for place, size in enumerate(padded) if place != axis):
        return None
    return values.astype(np.float64).reshape(-1 if values.size > 1 else ())


def channel_axis(model: RModel, op: Linear, name: str) -> int:
    """The axis of the channels of ``name``, an input or output of a linear operator."""
    return 1 if getattr(op, "layout", "NHWC") == "NCHW" else model.tensor_type(name).rank - 1


def kernel_axes(op: Linear) -> tuple[int, int]:
    """The axes of a linear operator's kernel that count inputs and outputs."""
    if isinstance(op, Dense):
        return (1, 0) if op.transB else (0, 1)
    letters = op.kernel_layout.replace("HW", "")
    first = -2 if op.kernel_layout.startswith("HW") else 0
    return first + letters.index("I"), first + letters.index("O")
