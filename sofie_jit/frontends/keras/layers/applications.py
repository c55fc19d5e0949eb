"""Layers that models of keras.applications define themselves."""

from __future__ import annotations

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.elementwise import Mul


@layer("LayerScale", weights=("gamma",), mask=stops)
def layer_scale(call: LayerCall, x: Symbol) -> Symbol:
    """``x * gamma``, with one factor per channel (ConvNeXt)."""
    call.config.ignore("init_values")
    gamma = call.weight("gamma", (call.config["projection_dim"],))
    return call.add(Mul(), x, call.constant(gamma, "gamma"))


@layer("StochasticDepth", mask=stops)
def stochastic_depth(call: LayerCall, x: Symbol) -> Symbol:
    """``x``: blocks are left out in training only (ConvNeXt)."""
    call.config.ignore("drop_path_rate")
    return x


@layer("CustomScaleLayer", mask=stops)
def custom_scale_layer(call: LayerCall, inputs: list[Symbol]) -> Symbol:
    """``x + scale * y``: the residual blocks of InceptionResNetV2."""
    x, y = inputs
    return x + y * float(call.config["scale"])
