"""Masking."""

from __future__ import annotations

from sofie_jit.frontends.keras.layers.registry import LayerCall, layer
from sofie_jit.frontends.keras.masks import attach
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol


@layer("Masking")
def masking(call: LayerCall, x: Symbol) -> Symbol:
    """Masks steps in which every number is ``mask_value``, and makes them 0."""
    value = call.config["mask_value"]
    if not isinstance(value, (int, float)):
        call.refuse(f"mask_value={value!r} is no number; save the model with one")
    counts = ops.any(ops.not_equal(x, float(value)), axis=-1, keepdims=True)
    return attach(ops.where(counts, x, 0), ops.squeeze(counts, -1))


@layer("ops.AttachMask")
def attach_mask(call: LayerCall, x: Symbol, mask: Symbol) -> Symbol:
    """``x`` with the mask that a nested model is called with."""
    return attach(x, mask)
