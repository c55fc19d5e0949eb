"""Layers of the packages efficientnet and segmentation_models: https://github.com/qubvel/efficientnet."""

from __future__ import annotations

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.masks import passes
from sofie_jit.ir.builder import Symbol


@layer("FixedDropout", mask=passes, builtin=False)
def fixed_dropout(call: LayerCall, x: Symbol) -> Symbol:
    """``x``: dropout acts in training only."""
    call.config.ignore("rate", "noise_shape", "seed")
    return x
