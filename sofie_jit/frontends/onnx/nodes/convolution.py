"""Convolution and pooling."""

from __future__ import annotations

import math

from sofie_jit.frontends.onnx.nodes import computed_weights
from sofie_jit.frontends.onnx.nodes.registry import OnnxCall, direct, node
from sofie_jit.frontends.onnx.values import Value
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.operators.pool import AveragePool, GlobalAveragePool, GlobalMaxPool, MaxPool

POOLING = ("kernel_shape", "strides", "pads", "dilations", "auto_pad", "ceil_mode")
CONVOLUTION = ("kernel_shape", "strides", "pads", "dilations", "auto_pad", "group")

direct(MaxPool, attributes=POOLING)
direct(GlobalAveragePool, GlobalMaxPool)


@node("AveragePool")
def average_pool(call: OnnxCall, x: Symbol) -> Symbol:
    """The mean of each window, by default of its part inside the image."""
    operator = call.operator(AveragePool, *POOLING, "count_include_pad")
    axes = operator.window(x.type)[0]
    if operator.count_include_pad and not all(axis.ends_in_padding for axis in axes):
        call.refuse("count_include_pad=1 together with ceil_mode=1 is not supported, where windows exceed the padding")
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
    if ops.weight_of(kernel) is not None:
        y = call.add(operator, x, kernel, constant_bias)
        added = None if constant_bias is bias else bias
    else:
        by_products = computed_weights.conv if isinstance(operator, Conv) else computed_weights.conv_transpose
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
