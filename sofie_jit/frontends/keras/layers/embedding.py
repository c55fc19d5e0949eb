"""Embedding and ReversibleEmbedding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import WeightNames, layer
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.elementwise import Cast
from sofie_jit.ir.operators.gather import Gather


@layer("Embedding", weights=("embeddings",), mask=stops, defaults={"mask_zero": False})
def embedding(call: LayerCall, x: Symbol) -> Symbol:
    """For each element the row of a table with this index; floating-point input is truncated to integers, as in Keras.

    With ``mask_zero``, elements that are 0 are masked.
    """
    shape = (call.config["input_dim"], call.config["output_dim"])
    table = call.constant(call.weight("embeddings", shape), "embeddings")
    if x.dtype == "bool":
        x = call.add(Cast(to="int32"), x)
    rows = call.add(Gather(), table, x)
    return call.masks.attach(rows, ops.not_equal(x, 0)) if call.config["mask_zero"] else rows


def reversible_embedding_weights(config: Mapping[str, Any]) -> WeightNames:
    """The table, and that of the way back unless they are the same."""
    return ("embeddings",) if config["tie_weights"] else ("embeddings", "reverse_embeddings")


@layer("ReversibleEmbedding", weights=reversible_embedding_weights, mask=stops)
def reversible_embedding(call: LayerCall, x: Symbol, reverse: bool = False) -> Symbol:
    """As Embedding; if it is called with ``reverse=True``, the product of ``x`` and the transposed table."""
    inputs, outputs = call.config["input_dim"], call.config["output_dim"]
    cap, dtype, tied = (call.config[key] for key in ("logit_soft_cap", "reverse_dtype", "tie_weights"))
    if not reverse:
        rows: Symbol = embedding(call, x)
        return rows
    call.config.ignore("mask_zero")
    if tied:
        kernel = call.weight("embeddings", (inputs, outputs)).T
    else:
        kernel = call.weight("reverse_embeddings", (outputs, inputs))
    table = call.constant(kernel, "reverse_embeddings")
    logits = ops.matmul(*(ops.cast(m, dtype or call.dtype) for m in (x, table)))
    return logits if cap is None else ops.multiply(ops.tanh(ops.divide(logits, cap)), cap)
