"""Quantized tensors: QuantizeLinear, DequantizeLinear, and products of integers, which are exact."""

from __future__ import annotations

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.frontends.onnx.tensors import element_type
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators import elementwise
from sofie_jit.ir.operators.quantization import (
    QUANTIZED,
    ConvInteger,
    DequantizeLinear,
    MatMulInteger,
    QuantizeLinear,
    Requantize,
)
from sofie_jit.ir.operators.rounding import NARROW

CONVOLUTION = ("kernel_shape", "strides", "pads", "dilations", "auto_pad", "group")


@node("QuantizeLinear", since=10)
def quantize(call: OnnxCall, x: Symbol, scale: Symbol, zero: Symbol | None = None) -> Symbol:
    """``round(x / scale) + zero``, as integers."""
    call.ignore("saturate", "precision")
    number = call.integer("output_dtype", 0)
    dtype = element_type(number, "its output").name if number else None
    if dtype not in (None, *QUANTIZED):
        call.refuse(f"output_dtype is {dtype}; supported are {', '.join(QUANTIZED)}")
    operator = call.operator(QuantizeLinear, "axis", "block_size", output_dtype=dtype)
    return call.add(operator, x, scale, zero)


@node("DequantizeLinear", since=10)
def dequantize(call: OnnxCall, x: Symbol, scale: Symbol, zero: Symbol | None = None) -> Symbol:
    """``(x - zero) * scale``."""
    number = call.integer("output_dtype", 0)
    result: Symbol = call.add(call.operator(DequantizeLinear, "axis", "block_size"), x, scale, zero)
    if number:
        dtype = element_type(number, "its output").name
        call.narrow = dtype if dtype in NARROW else None
        return ops.cast(result, "float32" if call.narrow else dtype)
    return result


@node("DynamicQuantizeLinear", since=11)
def quantize_dynamically(call: OnnxCall, x: Symbol) -> tuple[Symbol, Symbol, Symbol]:
    """``x`` as uint8, with the scale and the zero point with which all elements, and 0, fit."""
    low, high = ops.minimum(ops.min(x), 0), ops.maximum(ops.max(x), 0)
    span = ops.divide(ops.subtract(high, low), 255)
    scale = ops.where(ops.equal(span, 0), 1, span)
    place = ops.negative(ops.divide(low, scale))
    zero = call.add(QuantizeLinear(output_dtype="uint8"), place, ops.ones_like(scale))
    return call.add(QuantizeLinear(), x, scale, zero), scale, zero


@node("MatMulInteger", since=10)
def matmul_integer(
    call: OnnxCall, a: Symbol, b: Symbol, a_zero: Symbol | None = None, b_zero: Symbol | None = None
) -> Symbol:
    """The product of matrices of bytes."""
    return integer_product(call, a, b, a_zero, b_zero)


def integer_product(call: OnnxCall, a: Symbol, b: Symbol, a_zero: Symbol | None, b_zero: Symbol | None) -> Symbol:
    """MatMulInteger of operands of any number of axes."""
    left, right = a.rank == 1, b.rank == 1
    a, b = ops.expand_dims(a, 0) if left else a, ops.expand_dims(b, 1) if right else b
    a_zero, b_zero = _flat(a_zero, -2, a), _flat(b_zero, -1, b)
    product = call.add(MatMulInteger(), a, b, a_zero, b_zero)
    return (
        ops.squeeze(product, [axis for axis, gone in ((-2, left), (-1, right)) if gone]) if left or right else product
    )


def _flat(zero: Symbol | None, axis: int, tensor: Symbol) -> Symbol | None:
    """A zero point with the axes of a matrix as a vector."""
    return ops.reshape(zero, (tensor.shape[axis],)) if zero is not None and zero.rank > 1 else zero


@node("ConvInteger", since=10)
def conv_integer(
    call: OnnxCall, x: Symbol, w: Symbol, x_zero: Symbol | None = None, w_zero: Symbol | None = None
) -> Symbol:
    """A convolution of bytes."""
    return _convolution(call, x, w, x_zero, w_zero)


def _convolution(call: OnnxCall, x: Symbol, w: Symbol, x_zero: Symbol | None, w_zero: Symbol | None) -> Symbol:
    result: Symbol = call.add(call.operator(ConvInteger, *CONVOLUTION), x, w, x_zero, w_zero)
    return result


@node("QLinearMatMul", since=10)
def quantized_matmul(
    call: OnnxCall,
    a: Symbol,
    a_scale: Symbol,
    a_zero: Symbol,
    b: Symbol,
    b_scale: Symbol,
    b_zero: Symbol,
    y_scale: Symbol,
    y_zero: Symbol,
) -> Symbol:
    """The product of quantized matrices, quantized anew."""
    product = integer_product(call, a, b, a_zero, b_zero)
    return requantized(call, product, ops.multiply(scalar(a_scale), scalar(b_scale)), y_scale, y_zero, -1)


@node("QLinearConv", since=10)
def quantized_conv(
    call: OnnxCall,
    x: Symbol,
    x_scale: Symbol,
    x_zero: Symbol,
    w: Symbol,
    w_scale: Symbol,
    w_zero: Symbol,
    y_scale: Symbol,
    y_zero: Symbol,
    b: Symbol | None = None,
) -> Symbol:
    """The convolution of a quantized image, quantized anew; the bias is quantized with the product of both scales."""
    sums = _convolution(call, x, w, x_zero, w_zero)
    if b is not None:
        sums = call.add(elementwise.Add(), sums, ops.reshape(b, (*b.shape, *[1] * (x.rank - 2))))
    return requantized(call, sums, ops.multiply(scalar(x_scale), scalar(w_scale)), y_scale, y_zero, 1)


def requantized(call: OnnxCall, sums: Symbol, scale: Symbol, y_scale: Symbol, y_zero: Symbol, axis: int) -> Symbol:
    """Sums in units of ``scale``, which may belong to channels along ``axis``, in units of ``y_scale``."""
    factor = ops.divide(scale, scalar(y_scale))
    zero = scalar(y_zero)
    if factor.rank:
        zero = ops.broadcast_to(zero, factor.shape)
    return call.add(Requantize(axis=axis), sums, factor, zero)


def scalar(x: Symbol) -> Symbol:
    """A single number without axes."""
    return ops.reshape(x, ()) if x.shape == (1,) else x
