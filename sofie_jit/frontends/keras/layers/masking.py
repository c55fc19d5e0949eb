"""Masking."""

from __future__ import annotations

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.masks import passes, stays
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol


@layer("Masking", mask=passes, defaults={"mask_value": 0.0})
def masking(call: LayerCall, x: Symbol) -> Symbol:
    """Masks the steps in which all elements are ``mask_value``, and sets them to 0."""
    value = call.config["mask_value"]
    if not isinstance(value, (int, float)):
        call.refuse(f"mask_value={value!r} is not a number; save the model with one")
    counts = ops.any(ops.not_equal(x, float(value)), axis=-1, keepdims=True)
    return call.masks.attach(ops.where(counts, x, 0), ops.squeeze(counts, -1))


@layer("ops.AttachMask", mask=stays)
def attach_mask(call: LayerCall, x: Symbol, mask: Symbol) -> Symbol:
    """``x`` with the mask that a nested model is called with."""
    return call.masks.attach(x, mask)
