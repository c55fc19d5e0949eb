"""Quantized tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from sofie_jit.export.onnx.graph import GraphWriter
from sofie_jit.export.onnx.nodes.registry import rule
from sofie_jit.ir.operators.quantization import BYTES, ConvInteger, DequantizeLinear, MatMulInteger, QuantizeLinear

SINCE_BLOCKS = 21
"""The opset from which on there are blocks, and quantized tensors of 16 bits."""


@rule("QuantizeLinear")
def quantize(g: GraphWriter, op: QuantizeLinear, x: str, scale: str, zero: str = "") -> str:
    dtype = op.output_dtype or (g.dtype(zero) if zero else "uint8")
    if not zero and dtype != "uint8":
        zero = g.constant(np.zeros([n if isinstance(n, int) else 1 for n in g.shape(scale)], dtype))
    return g("QuantizeLinear", x, scale, zero, **_attributes(g, op, dtype))


@rule("Requantize")
def requantize(g: GraphWriter, op: QuantizeLinear, x: str, scale: str, zero: str = "") -> str:
    """The product is quantized with a scale of 1."""
    dtype, shape = g.dtype(scale), [n if isinstance(n, int) else 1 for n in g.shape(scale)]
    per_axis = [1] * (len(g.shape(x)) - 1 - op.axis % len(g.shape(x)))
    factor = g("Reshape", scale, g.integers([*shape, *per_axis])) if shape not in ([], [1]) else scale
    product = g("Mul", g.cast(x, dtype, g.dtype(x)), factor)
    return quantize(g, op, product, g.constant(np.ones(shape, dtype)), zero)


@rule("DequantizeLinear")
def dequantize(g: GraphWriter, op: DequantizeLinear, x: str, scale: str, zero: str = "") -> str:
    return g("DequantizeLinear", x, scale, zero, **_attributes(g, op, g.dtype(x)))


def _attributes(g: GraphWriter, op: QuantizeLinear | DequantizeLinear, dtype: str) -> dict[str, Any]:
    if op.block_size or dtype not in (*BYTES, "int32"):
        g.opset = max(g.opset, SINCE_BLOCKS)
    return {"axis": op.axis, **({"block_size": op.block_size} if op.block_size else {})}


@rule("ConvInteger", "MatMulInteger")
def product(g: GraphWriter, op: ConvInteger | MatMulInteger, *inputs: str) -> str:
    return g(op.op_type, *inputs, **op.attributes())
