"""Convolution and pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.onnx.nodes.registry import OnnxCall, node
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.ir.operators.operator import static_dims
from sofie_jit.ir.operators.pool import AveragePool, GlobalAveragePool, GlobalMaxPool, MaxPool


@node("Conv", since=1)
def conv(call: OnnxCall, x: Symbol, w: np.ndarray, b: np.ndarray | None = None) -> Symbol:
    """A convolution with groups."""
    _check_kernel_shape(call, w)
    operator = Conv(
        strides=call.integers("strides"),
        dilations=call.integers("dilations"),
        group=call.integer("group", 1),
        pads=call.integers("pads"),
        auto_pad=call.text("auto_pad", "NOTSET"),
    )
    return call.add(operator, x, *_weights(call, w, b))


def _weights(call: OnnxCall, w: np.ndarray, b: np.ndarray | None) -> list[Symbol]:
    names = call.node.inputs[1:3]
    return [call.symbol(value, name) for value, name in zip((w, b), names, strict=False) if value is not None]


def _check_kernel_shape(call: OnnxCall, w: np.ndarray) -> None:
    given = call.integers("kernel_shape")
    if given is not None and tuple(given) != w.shape[2:]:
        call.refuse(f"kernel_shape is {given}, but its kernel has the shape {w.shape}")


@node("ConvTranspose", since=1)
def conv_transpose(call: OnnxCall, x: Symbol, w: np.ndarray, b: np.ndarray | None = None) -> Symbol:
    """A transposed convolution."""
    _check_kernel_shape(call, w)
    if call.integer("group", 1) != 1:
        call.refuse("group is not 1, which is not supported")
    rank = w.ndim - 2
    strides, dilations = call.integers("strides") or [1] * rank, call.integers("dilations") or [1] * rank
    extra, pads = call.integers("output_padding") or [0] * rank, call.integers("pads") or [0] * (2 * rank)
    auto_pad, shape = call.text("auto_pad", "NOTSET"), call.integers("output_shape")
    sizes = static_dims("ConvTranspose", x.shape[2:])
    if shape is not None or auto_pad.startswith("SAME"):
        wanted = [size * stride for size, stride in zip(sizes, strides, strict=True)] if shape is None else shape
        wanted = wanted[-rank:]
        total = [
            stride * (size - 1) + more + (kernel - 1) * dilation + 1 - out
            for size, kernel, stride, dilation, more, out in zip(
                sizes, w.shape[2:], strides, dilations, extra, wanted, strict=True
            )
        ]
        if min(total) < 0:
            call.refuse(f"output_shape {wanted} needs negative pads {total}, which are not supported")
        larger, smaller = [(n + 1) // 2 for n in total], [n // 2 for n in total]
        pads = [*smaller, *larger] if auto_pad == "SAME_UPPER" else [*larger, *smaller]
    operator = ConvTranspose(strides=strides, pads=pads, dilations=dilations, output_padding=extra)
    return call.add(operator, x, *_weights(call, w, b))


# -- pooling -----------------------------------------------------------------------------------------------------------


def _window(call: OnnxCall, x: Symbol) -> dict[str, Any]:
    """Attributes of a pooling window. ``ceil_mode`` becomes padding at the end, where the last window begins inside."""
    kernel = call.integers("kernel_shape") or call.refuse("the attribute 'kernel_shape' is missing")
    strides = call.integers("strides") or [1] * len(kernel)
    dilations = call.integers("dilations") or [1] * len(kernel)
    pads, auto_pad = call.integers("pads") or [0] * (2 * len(kernel)), call.text("auto_pad", "NOTSET")
    if call.flag("ceil_mode") and auto_pad == "NOTSET":
        pads = _ceil_pads(static_dims(call.node.op_type, x.shape[2:]), kernel, strides, dilations, pads)
    return {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads, "auto_pad": auto_pad}


def _ceil_pads(
    sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], pads: Sequence[int]
) -> list[int]:
    """``pads`` with so much more at the end that the number of windows is rounded up."""
    rank = len(sizes)
    ends = []
    for axis, (size, taps, stride, dilation) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        before, after, extent = pads[axis], pads[rank + axis], (taps - 1) * dilation + 1
        count = math.ceil((size + before + after - extent) / stride) + 1
        if (count - 1) * stride >= size + before:  # it would begin in the padding
            count -= 1
        ends.append(max(after, (count - 1) * stride + extent - size - before))
    return [*pads[:rank], *ends]


@node("MaxPool", since=1)
def max_pool(call: OnnxCall, x: Symbol) -> Symbol:
    """The largest element of each window."""
    call.ignore("storage_order")  # of the indices
    return call.add(MaxPool(**_window(call, x)), x)


@node("AveragePool", since=1)
def average_pool(call: OnnxCall, x: Symbol) -> Symbol:
    """The mean of each window, by default of its part inside the image."""
    include, ceil = call.flag("count_include_pad"), call.flag("ceil_mode")
    window = _window(call, x)
    if include and ceil and window["pads"] != (call.integers("pads") or [0] * len(window["pads"])):
        call.refuse("ceil_mode together with count_include_pad is not supported")
    return call.add(AveragePool(**window, count_include_pad=include), x)


@node("GlobalAveragePool", since=1)
def global_average_pool(call: OnnxCall, x: Symbol) -> Symbol:
    """The mean of each channel."""
    return call.add(GlobalAveragePool(), x)


@node("GlobalMaxPool", since=1)
def global_max_pool(call: OnnxCall, x: Symbol) -> Symbol:
    """The largest element of each channel."""
    return call.add(GlobalMaxPool(), x)


@node("LpPool", since=2)
def lp_pool(call: OnnxCall, x: Symbol) -> Symbol:
    """The p-norm of each window."""
    power = call.integer("p", 2)
    window = _window(call, x)
    total = call.add(AveragePool(**window, count_include_pad=True), ops.power(ops.absolute(x), float(power)))
    return ops.power(ops.multiply(total, float(math.prod(window["kernel_shape"]))), 1 / power)


@node("GlobalLpPool", since=2)
def global_lp_pool(call: OnnxCall, x: Symbol) -> Symbol:
    """The p-norm of each channel."""
    return ops.norm(x, call.integer("p", 2), list(range(2, x.rank)), keepdims=True)
