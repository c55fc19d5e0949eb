"""C++ calls of normalizations."""

from __future__ import annotations

import numpy as np

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call, Size, literal
from sofie_jit.codegen.lowered.emission import emits, require
from sofie_jit.ir.dims import normalize_axis, static_dim
from sofie_jit.ir.operators.normalization import (
    BatchNormalization,
    InstanceNormalization,
    LayerNormalization,
    LpNormalization,
    RMSNormalization,
    RowNormalization,
)

KERNELS = ("reduction/norm.hxx",)


@emits(BatchNormalization, kernels=KERNELS, in_place=(0,))
def batch_normalization(op: BatchNormalization, code: Emitter) -> Call:
    """A scale and a shift per channel, computed from the statistics when the Session is made."""
    shape = code.outputs[0].shape
    axis = normalize_axis(op.op_type, op.axis, len(shape))
    channels = static_dim(op.op_type, shape, axis)
    code.require_constants(1, 2, 3, 4)
    gamma, beta, mean, var = (code.raw(index) for index in range(1, 5))
    epsilon = literal(op.epsilon, "float64")
    scale = code.packed("pack_batch_norm_scale", gamma, var, channels, epsilon)
    shift = code.packed("pack_batch_norm_shift", gamma, beta, mean, var, channels, epsilon)
    return code.call(
        "batch_normalization", code.count(shape[:axis]), channels, code.count(shape[axis + 1 :]), code.input(0),
        scale, shift, code.output(0),
    )  # fmt: skip


def _rows(op: RowNormalization, code: Emitter) -> tuple[Size, Size]:
    """The number of rows, and of elements in a row."""
    rows, row = op.split(code.outputs[0].shape)
    return code.count(rows), code.count(row)


@emits(LayerNormalization, kernels=KERNELS, in_place=(0,))
def layer_normalization(op: LayerNormalization, code: Emitter) -> Call:
    """``layer_normalization`` of each row."""
    dtype = code.outputs[0].dtype
    return code.call(
        "layer_normalization", *_rows(op, code), literal(op.epsilon, dtype), literal(op.stddev_epsilon, dtype),
        op.centered, code.input(0), code.input(1), code.input(2), code.output(0),
    )  # fmt: skip


@emits(RMSNormalization, kernels=KERNELS, in_place=(0,))
def rms_normalization(op: RMSNormalization, code: Emitter) -> Call:
    """``rms_normalization`` of each row."""
    epsilon = literal(op.epsilon, code.outputs[0].dtype)
    return code.call("rms_normalization", *_rows(op, code), epsilon, code.input(0), code.input(1), code.output(0))


@emits(LpNormalization, kernels=KERNELS, in_place=(0,))
def lp_normalization(op: LpNormalization, code: Emitter) -> Call:
    """``lp_normalization`` of each row along the last axis."""
    y = code.outputs[0]
    require(op, p=2)
    if normalize_axis(op.op_type, op.axis, y.rank) != y.rank - 1:
        require(op, axis=-1)
    # a row of zeros stays zero if the factor is finite
    limit = literal(float(np.finfo(y.dtype).max) if op.limit is None else op.limit, y.dtype)
    rows, row = code.count(y.shape[:-1]), code.count(y.shape[-1:])
    return code.call("lp_normalization", rows, row, limit, code.input(0), code.output(0))


@emits(InstanceNormalization, kernels=KERNELS)
def group_normalization(op: InstanceNormalization, code: Emitter) -> Call:
    """``group_normalization`` of each image."""
    y = code.outputs[0]
    channels = static_dim(op.op_type, y.shape, -1)
    groups = op.groups(channels)
    return code.call(
        "group_normalization", code.count(y.shape[:1]), code.count(y.shape[1:-1]), groups, channels // groups,
        literal(op.epsilon, y.dtype), literal(op.stddev_epsilon, y.dtype), code.input(0), code.input(1),
        code.input(2), code.output(0), code.scratch(y.dtype, (3, channels)),
    )  # fmt: skip
