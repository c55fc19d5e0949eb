"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.normalization`."""

from __future__ import annotations
from dataclasses import dataclass
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.operator import (
    Dim,
    Emitter,
    ROperator,
    TensorType,
    counts_rows,
    float_dtype,
    format_shape,
    literal,
    normalize_axis,
    static_dim,
    static_dims,
)
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.normalization import (
    BatchNormalization,
    RowNormalization,
    LayerNormalization,
    RMSNormalization,
    LpNormalization,
    GroupNormalization,
    InstanceNormalization,
    _infer,
)


@emits(BatchNormalization, kernels=("reduction/norm.hxx",), in_place=(0,))
def batch_normalization(op: BatchNormalization, code: Emitter) -> str:
    shape = code.outputs[0].shape
    axis = normalize_axis(op.op_type, op.axis, len(shape))
    channels = static_dim(op.op_type, shape, axis)
    op.check_constant(code, 1, 2, 3, 4)
    gamma, beta, mean, var = (code.raw(index) for index in range(1, 5))
    epsilon = literal(op.epsilon, "float64")
    scale = code.packed("pack_batch_norm_scale", gamma, var, channels, epsilon)
    shift = code.packed("pack_batch_norm_shift", gamma, beta, mean, var, channels, epsilon)
    return code.call(
        "batch_normalization", code.count(shape[:axis]), channels, code.count(shape[axis + 1 :]), code.input(0),
        scale, shift, code.output(0),
    )  # fmt: skip


# NOEMIT ['RowNormalization', 'kernels=("reduction/norm.hxx",)', 'in_place=(0,)']


def _counts_row_normalization(op: RowNormalization, code: Emitter) -> tuple[str, str]:
    rows, row = op._split(code.outputs[0].shape)
    return code.count(rows), code.count(row)


@emits(LayerNormalization)
def layer_normalization(op: LayerNormalization, code: Emitter) -> str:
    dtype = code.outputs[0].dtype
    return code.call(
        "layer_normalization", *op._counts(code), literal(op.epsilon, dtype),
        literal(op.stddev_epsilon, dtype), op.centered, code.input(0), code.input(1), code.input(2),
        code.output(0),
    )  # fmt: skip


@emits(RMSNormalization)
def rms_normalization(op: RMSNormalization, code: Emitter) -> str:
    epsilon = literal(op.epsilon, code.outputs[0].dtype)
    return code.call("rms_normalization", *op._counts(code), epsilon, code.input(0), code.input(1), code.output(0))


@emits(LpNormalization)
def lp_normalization(op: LpNormalization, code: Emitter) -> str:
    limit = literal(op.limit, code.outputs[0].dtype)
    return code.call("lp_normalization", *op._counts(code), limit, code.input(0), code.output(0))


@emits(GroupNormalization, kernels=("reduction/norm.hxx",))
def group_normalization(op: GroupNormalization, code: Emitter) -> str:
    y = code.outputs[0]
    channels = static_dim(op.op_type, y.shape, -1)
    groups = op._groups(channels)
    return code.call(
        "group_normalization", code.count(y.shape[:1]), code.count(y.shape[1:-1]), groups, channels // groups,
        literal(op.epsilon, y.dtype), literal(op.stddev_epsilon, y.dtype), code.input(0), code.input(1),
        code.input(2), code.output(0), code.scratch(y.dtype, (2, channels)),
    )  # fmt: skip
