"""Embedding."""

from __future__ import annotations

from sofie_jit.builder import Symbol
from sofie_jit.operators.elementwise import Cast
from sofie_jit.operators.gather import Gather
from sofie_jit.parsers.keras.layers.registry import LayerCall, layer


@layer("Embedding", weights=("embeddings",))
def embedding(call: LayerCall, x: Symbol) -> Symbol:
    """Row ``x[...]`` of a table for every element; floating-point input is cut to integers, as Keras does."""
    if call.config["mask_zero"]:
        call.refuse("mask_zero=True makes later layers skip steps, which is not translated")
    shape = (call.config["input_dim"], call.config["output_dim"])
    table = call.constant(call.weight("embeddings", shape), "embeddings")
    if x.dtype == "bool":
        x = call.add(Cast(to="int32"), x)
    return call.add(Gather(), table, x)
