"""Quantized operators of the domain com.microsoft, which ONNX Runtime's quantization tools write.

Those that are not products of integers compute with the numbers that the integers stand for.
"""

from __future__ import annotations

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.convolution import POOLING
from sofie_jit.frontends.onnx.nodes.quantization import (
    dequantize,
    integer_product,
    quantize,
    quantize_dynamically,
    requantized,
    scalar,
)
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators import activations, elementwise
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.pool import AveragePool, GlobalAveragePool
from sofie_jit.ir.operators.quantization import DequantizeLinear, QuantizeLinear
from sofie_jit.ir.operators.softmax import Softmax

MICROSOFT = "com.microsoft"

node("QuantizeLinear", domain=MICROSOFT)(quantize)
node("DequantizeLinear", domain=MICROSOFT)(dequantize)


def _numbers(call: OnnxCall, x: Symbol, scale: Symbol, zero: Symbol | None) -> Symbol:
    """The numbers that the integers ``x`` stand for."""
    result: Symbol = call.add(DequantizeLinear(), x, scale, zero)
    return result


def _quantized(call: OnnxCall, y: Symbol, scale: Symbol, zero: Symbol | None, dtype: str) -> Symbol:
    """``y`` as integers of type ``dtype``."""
    result: Symbol = call.add(QuantizeLinear(output_dtype=dtype), y, scale, zero)
    return result


# -- element by element ------------------------------------------------------------------------------------------------


def _of_two(name: str, operator: type[ROperator]) -> None:
    @node(name, domain=MICROSOFT)
    def handler(
        call: OnnxCall,
        a: Symbol,
        a_scale: Symbol,
        a_zero: Symbol | None,
        b: Symbol,
        b_scale: Symbol,
        b_zero: Symbol | None,
        y_scale: Symbol,
        y_zero: Symbol | None = None,
    ) -> Symbol:
        result = call.add(operator(), _numbers(call, a, a_scale, a_zero), _numbers(call, b, b_scale, b_zero))
        return _quantized(call, result, y_scale, y_zero, a.dtype)


_of_two("QLinearAdd", elementwise.Add)
_of_two("QLinearMul", elementwise.Mul)


def _of_one(name: str, operator: type[ROperator], *attributes: str, **given: object) -> None:
    @node(name, domain=MICROSOFT)
    def handler(
        call: OnnxCall,
        x: Symbol,
        x_scale: Symbol,
        x_zero: Symbol | None,
        y_scale: Symbol,
        y_zero: Symbol | None = None,
    ) -> Symbol:
        if call.flag("channels_last"):
            call.refuse("channels_last is not supported")
        if call.integer("opset", 13) < 13:
            call.refuse("opset is below 13, where the operator has another meaning")
        result = call.add(call.operator(operator, *attributes, **given), _numbers(call, x, x_scale, x_zero))
        return _quantized(call, result, y_scale, y_zero, x.dtype)


_of_one("QLinearSigmoid", activations.Sigmoid)
_of_one("QLinearLeakyRelu", activations.LeakyRelu, "alpha")
_of_one("QLinearSoftmax", Softmax, "axis")
_of_one("QLinearAveragePool", AveragePool, *POOLING, "count_include_pad")
_of_one("QLinearGlobalAveragePool", GlobalAveragePool)


@node("QLinearConcat", domain=MICROSOFT)
def concat(call: OnnxCall, y_scale: Symbol, y_zero: Symbol, *inputs: Symbol) -> Symbol:
    """Tensors one after the other; each input is a tensor, its scale and its zero point."""
    tensors = [_numbers(call, *inputs[i : i + 3]) for i in range(0, len(inputs), 3)]
    return _quantized(call, call.add(call.operator(Concat, "axis"), *tensors), y_scale, y_zero, y_zero.dtype)


@node("QLinearWhere", domain=MICROSOFT)
def where(
    call: OnnxCall,
    condition: Symbol,
    x: Symbol,
    x_scale: Symbol,
    x_zero: Symbol,
    y: Symbol,
    y_scale: Symbol,
    y_zero: Symbol,
    z_scale: Symbol,
    z_zero: Symbol,
) -> Symbol:
    """``x`` where the condition is true, else ``y``."""
    operands = _numbers(call, x, x_scale, x_zero), _numbers(call, y, y_scale, y_zero)
    return _quantized(call, call.add(elementwise.Where(), condition, *operands), z_scale, z_zero, x.dtype)


@node("QLinearReduceMean", domain=MICROSOFT)
def reduce_mean(
    call: OnnxCall, x: Symbol, x_scale: Symbol, x_zero: Symbol | None, y_scale: Symbol, y_zero: Symbol | None = None
) -> Symbol:
    """The mean along axes."""
    result = ops.mean(_numbers(call, x, x_scale, x_zero), call.integers("axes"), call.flag("keepdims", True))
    return _quantized(call, result, y_scale, y_zero, x.dtype)


# -- products ----------------------------------------------------------------------------------------------------------


@node("QGemm", domain=MICROSOFT)
def gemm(
    call: OnnxCall,
    a: Symbol,
    a_scale: Symbol,
    a_zero: Symbol,
    b: Symbol,
    b_scale: Symbol,
    b_zero: Symbol,
    c: Symbol | None = None,
    y_scale: Symbol | None = None,
    y_zero: Symbol | None = None,
) -> Symbol:
    """A matrix product; the bias is in units of the product of both scales. Without y_scale the result is float32."""
    if (y_scale is None) != (y_zero is None):
        call.refuse("y_scale and y_zero_point must be given together")
    a = ops.transpose(a, (1, 0)) if call.flag("transA") else a
    b = ops.transpose(b, (1, 0)) if call.flag("transB") else b
    sums = integer_product(call, a, b, a_zero, b_zero)
    sums = sums if c is None else call.add(elementwise.Add(), sums, c)
    scale = ops.multiply(ops.multiply(scalar(a_scale), scalar(b_scale)), call.number("alpha", 1.0))
    if y_scale is None or y_zero is None:
        return ops.multiply(ops.cast(sums, "float32"), scale)
    return requantized(call, sums, scale, y_scale, y_zero, -1)


@node("MatMulIntegerToFloat", domain=MICROSOFT)
def matmul_to_float(
    call: OnnxCall,
    a: Symbol,
    b: Symbol,
    a_scale: Symbol,
    b_scale: Symbol,
    a_zero: Symbol | None = None,
    b_zero: Symbol | None = None,
    bias: Symbol | None = None,
) -> Symbol:
    """The product of quantized matrices in floating point."""
    sums = integer_product(call, a, b, a_zero, b_zero)
    product = ops.multiply(ops.cast(sums, "float32"), ops.multiply(scalar(a_scale), scalar(b_scale)))
    return product if bias is None else ops.add(product, bias)


@node("DynamicQuantizeMatMul", domain=MICROSOFT)
def matmul_of_floats(
    call: OnnxCall,
    a: Symbol,
    b: Symbol,
    b_scale: Symbol,
    b_zero: Symbol | None = None,
    bias: Symbol | None = None,
) -> Symbol:
    """The product of a matrix that is quantized first, and of a quantized one, in floating point."""
    quantized, a_scale, a_zero = quantize_dynamically(call, a)
    result: Symbol = matmul_to_float(call, quantized, b, a_scale, b_scale, a_zero, b_zero, bias)
    return result
