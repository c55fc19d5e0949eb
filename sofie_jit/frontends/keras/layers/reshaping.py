"""Layers that change the shape only: Flatten, Reshape, Permute, RepeatVector."""

from __future__ import annotations

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.transpose import Transpose


@layer("Flatten", mask=stops, defaults={"data_format": "channels_last"})
def flatten(call: LayerCall, x: Symbol) -> Symbol:
    """All axes but the batch merged into one; channels-first images are made channels-last before."""
    if call.config["data_format"] == "channels_first" and x.rank > 2:
        x = call.add(Transpose(perm=(0, *range(2, x.rank), 1)), x)
    return call.add(Reshape(shape=(0, -1)), x)


@layer("Reshape", mask=stops)
def reshape(call: LayerCall, x: Symbol) -> Symbol:
    """The axes after the batch in another shape, ``target_shape``."""
    target = tuple(-1 if size is None else int(size) for size in call.config["target_shape"])
    if 0 in target:
        call.refuse(f"target_shape={target} has no elements; remove the layer")
    return call.add(Reshape(shape=(0, *target)), x)


@layer("Permute", mask=stops)
def permute(call: LayerCall, x: Symbol) -> Symbol:
    """The axes after the batch in the order ``dims``, counted from 1."""
    return call.add(Transpose(perm=(0, *map(int, call.config["dims"]))), x)


@layer("RepeatVector", mask=stops)
def repeat_vector(call: LayerCall, x: Symbol) -> Symbol:
    """(batch, features) -> (batch, n, features)."""
    if x.rank != 2:
        call.refuse(f"its input has shape {x.shape}; expected (batch, features)")
    row = call.add(Reshape(shape=(0, 1, -1)), x)
    return call.add(Expand(shape=(1, int(call.config["n"]), 1)), row)
