"""Dense."""

from __future__ import annotations

from sofie_jit.builder import Symbol
from sofie_jit.operators.gemm import Gemm
from sofie_jit.parsers.keras.activation import activation
from sofie_jit.parsers.keras.layers.registry import LayerCall, layer


@layer("Dense", weights=lambda c: ("kernel", "bias") if c["use_bias"] else ("kernel",))
def dense(call: LayerCall, x: Symbol) -> Symbol:
    """``activation(x W + b)`` over the last axis."""
    units = call.config["units"]
    if x.rank < 2 or not isinstance(x.shape[-1], int):
        call.refuse(f"its input has shape {x.shape}; Dense needs a last axis of known size")
    weights = [call.constant(call.weight("kernel", (x.shape[-1], units)), "kernel")]
    if call.config["use_bias"]:
        weights.append(call.constant(call.weight("bias", (units,)), "bias"))
    return activation(call, call.add(Gemm(), x, *weights), call.config["activation"])
