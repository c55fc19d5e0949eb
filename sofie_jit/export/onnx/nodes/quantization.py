"""Quantized tensors, and numbers rounded to fewer bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from sofie_jit.export.onnx.graph import GraphWriter
from sofie_jit.export.onnx.nodes.registry import rule
from sofie_jit.ir.operators import quantization as q
from sofie_jit.ir.operators.rounding import RoundTo

DATA_TYPES = {"float16": 10, "bfloat16": 16}
"""``TensorProto.DataType`` of types that numpy, or this package, has no tensors of."""


@rule("QuantizeLinear")
def quantize(g: GraphWriter, op: q.QuantizeLinear, x: str, scale: str, zero: str = "") -> str:
    return g("QuantizeLinear", x, *_parameters(g, op, scale, zero), **_attributes(g, op, g.dtype(op.outputs[0])))


@rule("Requantize")
def requantize(g: GraphWriter, op: q.Requantize, x: str, scale: str, zero: str = "") -> str:
    """A product, quantized with the scale 1."""
    dtype = g.dtype(scale)
    kind = g.types[x]
    factor = scale
    if g.types[scale].shape not in ((), (1,)):
        factor = g.reshape(scale, [-1 if axis == op.axis % kind.rank else 1 for axis in range(kind.rank)])
    scaled = g("Mul", g.cast(x, dtype, kind.dtype), factor)
    if not zero or g.types[zero].shape in ((), (1,)):
        one = g.number(1, dtype)
    else:
        one = g.constant(np.ones([dim for dim in g.shape(zero) if isinstance(dim, int)], dtype))
    return g("QuantizeLinear", scaled, *_parameters(g, op, one, zero), **_attributes(g, op, g.dtype(op.outputs[0])))


@rule("DequantizeLinear")
def dequantize(g: GraphWriter, op: q.DequantizeLinear, x: str, scale: str, zero: str = "") -> str:
    if not zero:
        return g("DequantizeLinear", x, _single(g, scale), **_attributes(g, op, g.dtype(x)))
    return g("DequantizeLinear", x, *_parameters(g, op, scale, zero), **_attributes(g, op, g.dtype(x)))


def _parameters(g: GraphWriter, op: q.Scaled, scale: str, zero: str) -> tuple[str, str]:
    """Scale and zero point, which also tells the element type."""
    dtype = g.dtype(zero) if zero else g.dtype(op.outputs[0])
    shape = [dim for dim in g.shape(scale) if isinstance(dim, int)]
    return _single(g, scale), _single(g, zero or g.constant(np.zeros(shape, dtype)))


def _single(g: GraphWriter, x: str) -> str:
    return g.reshape(x, ()) if g.types[x].shape == (1,) else x


def _attributes(g: GraphWriter, op: q.Scaled, dtype: str) -> dict[str, Any]:
    if op.block_size or dtype in ("int16", "uint16"):
        g.opset = max(g.opset, 21)
    return {"axis": op.axis, "block_size": op.block_size or None}


@rule("RoundTo", elementwise=True)
def round_to(g: GraphWriter, op: RoundTo, x: str) -> str:
    return g("Cast", g("Cast", x, to=DATA_TYPES[op.to]), to=np.dtype(g.dtype(x)))
