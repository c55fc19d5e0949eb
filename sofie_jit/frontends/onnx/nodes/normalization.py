"""Normalizations."""

from __future__ import annotations

import math

import numpy as np

from sofie_jit.frontends.onnx.nodes.registry import OnnxCall, node
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis
from sofie_jit.ir.operators import normalization
from sofie_jit.ir.operators.pool import AveragePool


@node("BatchNormalization", since=7)
def batch_normalization(
    call: OnnxCall, x: Symbol, scale: np.ndarray, b: np.ndarray, mean: np.ndarray, var: np.ndarray
) -> Symbol:
    """Normalization per channel by constant statistics."""
    call.ignore("momentum")
    if call.flag("training_mode"):
        call.refuse("training_mode is 1; export the model for inference")
    if call.int("spatial", 1) != 1:
        call.refuse("spatial is 0, which is not supported")
    parameters = [call.symbol(p, n) for p, n in zip((scale, b, mean, var), call.node.inputs[1:], strict=True)]
    return call.add(normalization.BatchNormalization(epsilon=call.float("epsilon", 1e-5)), x, *parameters)


@node("InstanceNormalization", since=6)
def instance_normalization(call: OnnxCall, x: Symbol, scale: Symbol, b: Symbol) -> Symbol:
    """Normalization of each channel of each image."""
    return call.add(normalization.InstanceNormalization(epsilon=call.float("epsilon", 1e-5)), x, scale, b)


@node("GroupNormalization", since=21)
def group_normalization(call: OnnxCall, x: Symbol, scale: Symbol, b: Symbol) -> Symbol:
    """Normalization of each group of channels of each image, with a scale and a bias per channel."""
    call.ignore("stash_type")
    operator = normalization.GroupNormalization(num_groups=call.int("num_groups"), epsilon=call.float("epsilon", 1e-5))
    return call.add(operator, x, scale, b)


@node("GroupNormalization", since=18)
def group_normalization_by_group(call: OnnxCall, x: Symbol, scale: Symbol, b: Symbol) -> Symbol:
    """The same with a scale and a bias per group."""
    groups, channels = call.int("num_groups"), x.shape[1]
    if not isinstance(channels, int) or channels % groups or scale.shape != (groups,) or b.shape != (groups,):
        call.refuse(f"num_groups={groups} does not fit {channels} channels, a scale {scale.shape} and a bias {b.shape}")
    operator = normalization.GroupNormalization(num_groups=groups, epsilon=call.float("epsilon", 1e-5))
    per_channel = (ops.repeat(parameter, channels // groups, 0) for parameter in (scale, b))
    return call.add(operator, x, *per_channel)


@node("LayerNormalization", since=17)
def layer_normalization(call: OnnxCall, x: Symbol, scale: Symbol, b: Symbol | None = None) -> Symbol:
    """Normalization over an axis and all axes after it."""
    axis, scale, b = _rows(call, x, scale, b)
    call.ignore("stash_type")
    return call.add(normalization.LayerNormalization(axis=axis, epsilon=call.float("epsilon", 1e-5)), x, scale, b)


@node("RMSNormalization", since=23)
def rms_normalization(call: OnnxCall, x: Symbol, scale: Symbol) -> Symbol:
    """Division by the root mean square over an axis and all axes after it."""
    axis, scale, _ = _rows(call, x, scale, None)
    call.ignore("stash_type")
    return call.add(normalization.RMSNormalization(axis=axis, epsilon=call.float("epsilon", 1e-5)), x, scale)


def _rows(call: OnnxCall, x: Symbol, scale: Symbol, b: Symbol | None) -> tuple[int, Symbol, Symbol | None]:
    """The axis where rows begin, and the parameters in the shape of a row."""
    axis = normalize_axis(call.node.op_type, call.int("axis", -1), x.rank)
    row = x.shape[axis:]
    given = [None if p is None else p if p.shape == row else ops.broadcast_to(p, row) for p in (scale, b)]
    return axis, scale if given[0] is None else given[0], given[1]


@node("LpNormalization", since=1)
def lp_normalization(call: OnnxCall, x: Symbol) -> Symbol:
    """``x`` divided by its norm along an axis; 0 where that is 0."""
    norm = ops.norm(x, call.int("p", 2), call.int("axis", -1), keepdims=True)
    return ops.divide_no_nan(x, norm)


@node("MeanVarianceNormalization", since=9)
def mean_variance_normalization(call: OnnxCall, x: Symbol) -> Symbol:
    """``(x - mean) / standard deviation`` over axes."""
    axes = call.ints("axes")
    axes = [0, 2, 3] if axes is None else axes
    centered = ops.subtract(x, ops.mean(x, axes, keepdims=True))
    deviation = ops.sqrt(ops.mean(ops.square(centered), axes, keepdims=True))
    return ops.divide(centered, ops.add(deviation, 1e-9))


@node("LRN", since=1)
def local_response_normalization(call: OnnxCall, x: Symbol) -> Symbol:
    """``x`` divided by a power of the sum of squares of neighbouring channels."""
    size, alpha, beta = call.int("size"), call.float("alpha", 1e-4), call.float("beta", 0.75)
    before, after = math.floor((size - 1) / 2), math.ceil((size - 1) / 2)
    channels = ops.reshape(ops.square(x), (x.shape[0], 1, x.shape[1], -1))
    pool = AveragePool(kernel_shape=[size, 1], pads=[before, 0, after, 0], count_include_pad=True)
    mean = ops.reshape(call.add(pool, channels), x.shape)
    return ops.divide(x, ops.power(ops.add(ops.multiply(mean, alpha), call.float("bias", 1.0)), beta))
