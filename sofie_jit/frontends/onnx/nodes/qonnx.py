"""Quantization of QONNX: numbers rounded to a few bits and scaled back, as Brevitas and QKeras train and hls4ml reads.

The formulas are those of the operators' descriptions in the repository of QONNX.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol

DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")


def _away(function: Callable[[Symbol], Symbol]) -> Callable[[Symbol], Symbol]:
    """``function`` of the magnitude, with the sign of the number."""
    return lambda x: ops.multiply(ops.sign(x), function(ops.absolute(x)))


ROUNDING: dict[str, Callable[[Symbol], Symbol]] = {
    "ROUND": ops.round,
    "HALF_EVEN": ops.round,
    "CEIL": ops.ceil,
    "FLOOR": ops.floor,
    "UP": _away(ops.ceil),
    "DOWN": ops.trunc,
    "HALF_UP": _away(lambda x: ops.floor(ops.add(x, 0.5))),
    "HALF_DOWN": _away(lambda x: ops.ceil(ops.subtract(x, 0.5))),
}
"""The attribute ``rounding_mode`` in capitals -> function."""


def quant(call: OnnxCall, x: Symbol, scale: Symbol, zero_point: Symbol, bit_width: np.ndarray) -> Symbol:
    """``(round(clip(x / scale + zero_point)) - zero_point) * scale``, with the limits of integers of ``bit_width``."""
    signed, narrow = call.flag("signed", True), call.flag("narrow", True)
    mode = call.text("rounding_mode", "ROUND").upper()
    if mode not in ROUNDING:
        call.refuse(f"rounding_mode='{mode}'; expected one of {', '.join(ROUNDING)}")
    if bit_width.size != 1 or not 1 <= bit_width.item() <= 32:
        call.refuse(f"the bit width {bit_width.tolist()}; expected one number from 1 to 32")
    bits = float(bit_width.item())
    scaled = ops.add(ops.divide(x, scale), zero_point)
    if signed and bits == 1:
        integers = _signs(scaled)
    else:
        low = narrow - 2 ** (bits - 1) if signed else 0.0
        high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
        integers = ROUNDING[mode](ops.clip(scaled, low, high))
    return ops.multiply(ops.subtract(integers, zero_point), scale)


def bipolar_quant(call: OnnxCall, x: Symbol, scale: Symbol) -> Symbol:
    """``scale`` where ``x`` is at least 0, else ``-scale``."""
    return ops.multiply(_signs(x), scale)


def _signs(x: Symbol) -> Symbol:
    one = np.ones((), x.dtype)
    return ops.where(ops.greater_equal(x, 0), one, -one)


for _domain in DOMAINS:
    node("Quant", "IntQuant", domain=_domain)(quant)
    node("BipolarQuant", domain=_domain)(bipolar_quant)
