"""Normalizations."""

from __future__ import annotations

import math

import numpy as np

from sofie_jit.frontends.onnx.nodes.registry import OnnxCall, node
from sofie_jit.frontends.onnx.values import Value
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis
from sofie_jit.ir.operators import normalization
from sofie_jit.ir.operators.pool import AveragePool


@node("BatchNormalization", since=1)
def batch_normalization(call: OnnxCall, x: Symbol, scale: Value, b: Value, mean: Value, var: Value) -> Symbol:
    """Normalization per channel by given statistics."""
    call.ignore("momentum", "is_test", "consumed_inputs")
    if call.flag("training_mode"):
        call.refuse("training_mode is 1; export the model for inference")
    if call.integer("spatial", 1) != 1:
        call.refuse("spatial is 0, which is not supported")
    given = (scale, b, mean, var)
    epsilon = call.number("epsilon", 1e-5)
    constant = all(isinstance(value, np.ndarray) for value in given)
    scale, b, mean, var = (call.symbol(value, name) for value, name in zip(given, call.node.inputs[1:], strict=True))
    if constant:
        return call.add(normalization.BatchNormalization(epsilon=epsilon), x, scale, b, mean, var)
    scale, b, mean, var = (ops.reshape(p, (1, -1, *[1] * (x.rank - 2))) for p in (scale, b, mean, var))
    factor = ops.divide(scale, ops.sqrt(ops.add(var, epsilon)))
    return ops.add(ops.multiply(ops.subtract(x, mean), factor), b)


@node("InstanceNormalization", since=6)
def instance_normalization(call: OnnxCall, x: Symbol, scale: Symbol, b: Symbol) -> Symbol:
    """Normalization of each channel of each image."""
    return call.add(normalization.InstanceNormalization(epsilon=call.number("epsilon", 1e-5)), x, scale, b)


@node("GroupNormalization", since=21)
def group_normalization(call: OnnxCall, x: Symbol, scale: Symbol, b: Symbol) -> Symbol:
    """Normalization of each group of channels of each image, with a scale and a bias per channel."""
    call.ignore("stash_type")
    operator = normalization.GroupNormalization(
        num_groups=call.integer("num_groups"), epsilon=call.number("epsilon", 1e-5)
    )
    return call.add(operator, x, scale, b)


@node("GroupNormalization", since=18)
def group_normalization_by_group(call: OnnxCall, x: Symbol, scale: Symbol, b: Symbol) -> Symbol:
    """The same with a scale and a bias per group."""
    groups, channels = call.integer("num_groups"), x.shape[1]
    if not isinstance(channels, int) or channels % groups or scale.shape != (groups,) or b.shape != (groups,):
        call.refuse(f"num_groups={groups} does not fit {channels} channels, a scale {scale.shape} and a bias {b.shape}")
    operator = normalization.GroupNormalization(num_groups=groups, epsilon=call.number("epsilon", 1e-5))
    per_channel = (ops.repeat(parameter, channels // groups, 0) for parameter in (scale, b))
    return call.add(operator, x, *per_channel)


@node("LayerNormalization", since=17)
def layer_normalization(
    call: OnnxCall, x: Symbol, scale: Symbol, b: Symbol | None = None
) -> Symbol | tuple[Symbol, Symbol, Symbol]:
    """Normalization over an axis and all axes after it; also the mean and the inverse standard deviation."""
    axis, scale, b = _rows(call, x, scale, b)
    call.ignore("stash_type")
    epsilon = call.number("epsilon", 1e-5)
    y: Symbol = call.add(normalization.LayerNormalization(axis=axis, epsilon=epsilon), x, scale, b)
    if not call.wants(1) and not call.wants(2):
        return y
    axes = list(range(axis, x.rank))
    mean = ops.mean(x, axes, keepdims=True)
    variance = ops.mean(ops.square(ops.subtract(x, mean)), axes, keepdims=True)
    return y, mean, ops.rsqrt(ops.add(variance, epsilon))


@node("RMSNormalization", since=23)
def rms_normalization(call: OnnxCall, x: Symbol, scale: Symbol) -> Symbol:
    """Division by the root mean square over an axis and all axes after it."""
    axis, scale, _ = _rows(call, x, scale, None)
    call.ignore("stash_type")
    return call.add(normalization.RMSNormalization(axis=axis, epsilon=call.number("epsilon", 1e-5)), x, scale)


def _rows(call: OnnxCall, x: Symbol, scale: Symbol, b: Symbol | None) -> tuple[int, Symbol, Symbol | None]:
    """The axis where rows begin, and the parameters in the shape of a row."""
    axis = normalize_axis(call.node.op_type, call.integer("axis", -1), x.rank)
    row = x.shape[axis:]
    given = [None if p is None else p if p.shape == row else ops.broadcast_to(p, row) for p in (scale, b)]
    return axis, scale if given[0] is None else given[0], given[1]


@node("LpNormalization", since=1)
def lp_normalization(call: OnnxCall, x: Symbol) -> Symbol:
    """``x`` divided by its norm along an axis; 0 where that is 0."""
    norm = ops.norm(x, call.integer("p", 2), call.integer("axis", -1), keepdims=True)
    return ops.divide_no_nan(x, norm)


@node("MeanVarianceNormalization", since=9)
def mean_variance_normalization(call: OnnxCall, x: Symbol) -> Symbol:
    """``(x - mean) / standard deviation`` over axes."""
    axes = call.integers("axes")
    axes = [0, 2, 3] if axes is None else axes
    centered = ops.subtract(x, ops.mean(x, axes, keepdims=True))
    deviation = ops.sqrt(ops.mean(ops.square(centered), axes, keepdims=True))
    return ops.divide(centered, ops.add(deviation, 1e-9))


@node("LRN", since=1)
def local_response_normalization(call: OnnxCall, x: Symbol) -> Symbol:
    """``x`` divided by a power of the sum of squares of neighbouring channels."""
    size, alpha, beta = call.integer("size"), call.number("alpha", 1e-4), call.number("beta", 0.75)
    before, after = math.floor((size - 1) / 2), math.ceil((size - 1) / 2)
    channels = ops.reshape(ops.square(x), (x.shape[0], 1, x.shape[1], -1))
    pool = AveragePool(kernel_shape=[size, 1], pads=[before, 0, after, 0], count_include_pad=True)
    mean = ops.reshape(call.add(pool, channels), x.shape)
    return ops.divide(x, ops.power(ops.add(ops.multiply(mean, alpha), call.number("bias", 1.0)), beta))
