"""Convolution and pooling."""

from __future__ import annotations

import math
from dataclasses import replace

from sofie_jit.frontends import general_convolution
from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.images import max_pool_with_indices
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.frontends.onnx.values import Value, shape_of
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.operators.pool import AveragePool, GlobalAveragePool, GlobalMaxPool, MaxPool

POOLING = ("kernel_shape", "strides", "pads", "dilations", "auto_pad", "ceil_mode")
CONVOLUTION = ("kernel_shape", "strides", "pads", "dilations", "auto_pad", "group")


@node("GlobalAveragePool")
def global_average_pool(call: OnnxCall, x: Symbol) -> Symbol:
    """The mean of each channel; rows of an open number in place of channels are a reduction, as tf2onnx writes it."""
    if isinstance(x.shape[1], int):
        return call.add(GlobalAveragePool(), x)
    return ops.mean(x, list(range(2, x.rank)), keepdims=True)


@node("GlobalMaxPool")
def global_max_pool(call: OnnxCall, x: Symbol) -> Symbol:
    """The maximum of each channel, as :func:`global_average_pool`."""
    if isinstance(x.shape[1], int):
        return call.add(GlobalMaxPool(), x)
    return ops.max(x, list(range(2, x.rank)), keepdims=True)


@node("MaxPool")
def max_pool(call: OnnxCall, x: Symbol) -> Symbol | tuple[Symbol, Symbol]:
    """The largest element of each window, and its index among all elements."""
    operator = call.operator(MaxPool, *POOLING)
    if call.wants(1):
        return max_pool_with_indices(call, operator, x)
    call.ignore("storage_order")
    return call.add(operator, x)


@node("AveragePool")
def average_pool(call: OnnxCall, x: Symbol) -> Symbol:
    """The mean of each window, by default of its part inside the image."""
    operator = call.operator(AveragePool, *POOLING, "count_include_pad")
    axes = operator.window(x.type)[0]
    if operator.count_include_pad and not all(axis.ends_in_padding for axis in axes):
        # a window counts the padding, but not what it has beyond it
        x = ops.pad(x, [(0, 0), (0, 0), *((axis.before, axis.after) for axis in axes)])
        operator = replace(operator, pads=None, auto_pad="NOTSET", count_include_pad=False)
    return call.add(operator, x)


@node("Conv")
def conv(call: OnnxCall, x: Symbol, w: Value, b: Value | None = None) -> Symbol:
    """A convolution with groups."""
    return convolved(call, call.operator(Conv, *CONVOLUTION), x, w, b)


@node("ConvTranspose")
def conv_transpose(call: OnnxCall, x: Symbol, w: Value, b: Value | None = None) -> Symbol:
    """A transposed convolution."""
    operator = call.operator(ConvTranspose, *CONVOLUTION, "output_padding", "output_shape")
    if operator.output_shape is not None:
        operator.output_shape = operator.output_shape[-(x.rank - 2) :]  # some exporters list all axes
    return convolved(call, operator, x, w, b)


def convolved(call: OnnxCall, operator: Conv | ConvTranspose, x: Symbol, w: Value, b: Value | None) -> Symbol:
    """``operator`` of images, a kernel and a bias, which are constants or computed by the model."""
    kernel = call.weight(w, call.node.inputs[1])
    bias = None if b is None else call.weight(b, call.node.inputs[2])
    constant_bias = bias if bias is None or ops.weight_of(bias) is not None else None
    if ops.weight_of(kernel) is not None and (isinstance(operator, Conv) or operator.group == 1):
        y = call.add(operator, x, kernel, constant_bias)
        added = None if constant_bias is bias else bias
    else:
        by_products = general_convolution.conv if isinstance(operator, Conv) else general_convolution.conv_transpose
        y, added = by_products(operator, x, kernel), bias  # type: ignore[arg-type]
    return y if added is None else ops.add(y, ops.reshape(added, (1, -1, *[1] * (y.rank - 2))))


@node("LpPool", since=2)
def lp_pool(call: OnnxCall, x: Symbol) -> Symbol:
    """The p-norm of each window."""
    power = call.integer("p", 2)
    pool = call.operator(AveragePool, *POOLING, count_include_pad=True)
    if pool.ceil_mode:
        call.refuse("ceil_mode is not supported")
    mean = call.add(pool, ops.power(ops.absolute(x), float(power)))
    return ops.power(ops.multiply(mean, float(math.prod(pool.kernel_shape))), 1 / power)


@node("GlobalLpPool", since=2)
def global_lp_pool(call: OnnxCall, x: Symbol) -> Symbol:
    """The p-norm of each channel."""
    power = float(call.integer("p", 2))
    return ops.power(ops.sum(ops.power(ops.absolute(x), power), list(range(2, x.rank)), keepdims=True), 1 / power)


@node("CausalConvWithState", since=27)
def causal_conv_with_state(
    call: OnnxCall, x: Symbol, w: Value, b: Value | None = None, past: Symbol | None = None
) -> tuple[Symbol, Symbol]:
    """A convolution of each channel with its past (batch, channels, kernel - 1), and the past of the next call."""
    channels, state = (static_dim("CausalConvWithState", shape_of(w), axis) for axis in (0, 2))
    state -= 1
    x = ops.pad(x, [(0, 0), (0, 0), (state, 0)]) if past is None else ops.concatenate([past, x], 2)
    y = convolved(call, Conv(group=channels), x, w, b)
    activation = call.text("activation", "none")
    if activation not in ("none", "silu", "swish"):
        call.refuse(f"activation is {activation!r}; expected silu, swish or none")
    return y if activation == "none" else ops.silu(y), ops.cut(x, [2], [(x.shape[2] - state, 0)])
