"""Normalizations."""

from __future__ import annotations

from collections.abc import Sequence

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import direct, node
from sofie_jit.frontends.onnx.values import Value
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis, static_dim
from sofie_jit.ir.operators import normalization
from sofie_jit.ir.operators.pool import AveragePool

direct(normalization.InstanceNormalization, attributes=["epsilon"], since=6)
direct(normalization.GroupNormalization, attributes=["num_groups", "epsilon"], since=21)


@node("GroupNormalization", since=18)
def group_normalization_by_group(call: OnnxCall, x: Symbol, scale: Symbol, b: Symbol) -> Symbol:
    """Normalization of each group of channels, with a scale and a bias per group."""
    operator = call.operator(normalization.GroupNormalization, "num_groups", "epsilon")
    groups, channels = operator.num_groups, static_dim("GroupNormalization", x.shape, 1)
    if groups < 1 or channels % groups or scale.shape != (groups,) or b.shape != (groups,):
        call.refuse(f"num_groups={groups} does not fit {channels} channels, scale {scale.shape} and bias {b.shape}")
    return call.add(operator, x, *(ops.repeat(parameter, channels // groups, 0) for parameter in (scale, b)))


@node("BatchNormalization")
def batch_normalization(
    call: OnnxCall, x: Symbol, scale: Value, b: Value, mean: Value, var: Value
) -> Symbol | tuple[Symbol, ...]:
    """Normalization per channel by given statistics, or by those of the batch, which update the given ones."""
    call.ignore("is_test", "consumed_inputs")
    operator = call.operator(normalization.BatchNormalization, "epsilon")
    given = (scale, b, mean, var)
    parameters = [call.weight(value, name) for value, name in zip(given, call.node.inputs[1:], strict=True)]
    training, spatial = call.flag("training_mode"), call.flag("spatial", True)
    if not training:
        call.ignore("momentum")
        if spatial and all(ops.weight_of(parameter) is not None for parameter in parameters):
            return call.add(operator, x, *parameters)
        return _normalized(x, parameters, operator.epsilon, spatial)
    axes, momentum = [0, *range(2, x.rank)], call.number("momentum", 0.9)
    current = ops.mean(x, axes), ops.var(x, axes)
    running = [
        ops.add(ops.multiply(old, momentum), ops.multiply(new, 1 - momentum))
        for old, new in zip(parameters[2:], current, strict=True)
    ]
    return _normalized(x, [*parameters[:2], *current], operator.epsilon, spatial), *running


def _normalized(x: Symbol, parameters: Sequence[Symbol], epsilon: float, spatial: bool) -> Symbol:
    """``(x - mean) / sqrt(var + epsilon) * scale + b``, with parameters of each channel or of each element."""
    shape = (1, -1, *[1] * (x.rank - 2)) if spatial else (1, *x.shape[1:])
    scale, b, mean, var = (ops.reshape(p, shape) for p in parameters)
    factor = ops.divide(scale, ops.sqrt(ops.add(var, epsilon)))
    return ops.add(ops.multiply(ops.subtract(x, mean), factor), b)


@node("SimplifiedLayerNormalization")
def simplified_layer_normalization(call: OnnxCall, x: Symbol, scale: Symbol) -> Symbol:
    """The name of RMSNormalization in models that ONNX Runtime optimized."""
    if call.integer("stash_type", 1) != 1:
        call.refuse("stash_type must be 1: the statistics are computed in the type of the input")
    y: Symbol = rms_normalization(call, x, scale)
    return y


@node("LayerNormalization")  # ONNX Runtime writes it into models of older opsets
def layer_normalization(
    call: OnnxCall, x: Symbol, scale: Symbol, b: Symbol | None = None
) -> Symbol | tuple[Symbol, Symbol, Symbol]:
    """Normalization over an axis and all axes after it; also the mean and the inverse standard deviation."""
    operator = call.operator(normalization.LayerNormalization, "axis", "epsilon")
    y: Symbol = call.add(operator, x, *_of_row(x, operator, scale, b))
    if not call.wants(1) and not call.wants(2):
        return y
    axes = list(range(normalize_axis("LayerNormalization", operator.axis, x.rank), x.rank))
    mean = ops.mean(x, axes, keepdims=True)
    variance = ops.mean(ops.square(ops.subtract(x, mean)), axes, keepdims=True)
    return y, mean, ops.rsqrt(ops.add(variance, operator.epsilon))


@node("RMSNormalization", since=23)
def rms_normalization(call: OnnxCall, x: Symbol, scale: Symbol) -> Symbol:
    """Division by the root mean square over an axis and all axes after it."""
    operator = call.operator(normalization.RMSNormalization, "axis", "epsilon")
    return call.add(operator, x, *_of_row(x, operator, scale))


def _of_row(x: Symbol, operator: normalization.RowNormalization, *parameters: Symbol | None) -> list[Symbol | None]:
    """The parameters in the shape of a row, to which ONNX broadcasts them."""
    row = x.shape[normalize_axis(operator.op_type, operator.axis, x.rank) :]
    return [p if p is None or p.shape == row else ops.broadcast_to(p, row) for p in parameters]


@node("LpNormalization")
def lp_normalization(call: OnnxCall, x: Symbol) -> Symbol:
    """``x`` divided by its norm along an axis; 0 where that is 0."""
    return ops.divide_no_nan(x, ops.norm(x, call.integer("p", 2), call.integer("axis", -1), keepdims=True))


@node("MeanVarianceNormalization", since=9)
def mean_variance_normalization(call: OnnxCall, x: Symbol) -> Symbol:
    """``(x - mean) / standard deviation`` over axes."""
    given = call.integers("axes")
    axes = [0, 2, 3] if given is None else given
    centered = ops.subtract(x, ops.mean(x, axes, keepdims=True))
    deviation = ops.sqrt(ops.mean(ops.square(centered), axes, keepdims=True))
    return ops.divide(centered, ops.add(deviation, 1e-9))


@node("LRN")
def local_response_normalization(call: OnnxCall, x: Symbol) -> Symbol:
    """``x`` divided by a power of the sum of squares of neighbouring channels."""
    size, alpha, beta = call.integer("size"), call.number("alpha", 1e-4), call.number("beta", 0.75)
    before, after = (size - 1) // 2, size // 2
    channels = ops.reshape(ops.square(x), (x.shape[0], 1, x.shape[1], -1))
    pool = AveragePool(kernel_shape=[size, 1], pads=[before, 0, after, 0], count_include_pad=True)
    mean = ops.reshape(call.add(pool, channels), x.shape)
    return ops.divide(x, ops.power(ops.add(ops.multiply(mean, alpha), call.number("bias", 1.0)), beta))
