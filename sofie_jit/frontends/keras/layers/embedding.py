"""Embedding."""

from __future__ import annotations

from sofie_jit.frontends.keras.layers.registry import LayerCall, layer
from sofie_jit.frontends.keras.masks import attach
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.elementwise import Cast
from sofie_jit.ir.operators.gather import Gather


@layer("Embedding", weights=("embeddings",))
def embedding(call: LayerCall, x: Symbol) -> Symbol:
    """Row ``x[...]`` of a table for every element; floating-point input is cut to integers, as Keras does.

    With ``mask_zero``, elements that are 0 are masked.
    """
    shape = (call.config["input_dim"], call.config["output_dim"])
    table = call.constant(call.weight("embeddings", shape), "embeddings")
    if x.dtype == "bool":
        x = call.add(Cast(to="int32"), x)
    rows = call.add(Gather(), table, x)
    return attach(rows, ops.not_equal(x, 0)) if call.config["mask_zero"] else rows


@layer(
    "ReversibleEmbedding",
    weights=lambda c: ("embeddings",) if c["tie_weights"] else ("embeddings", "reverse_embeddings"),
)
def reversible_embedding(call: LayerCall, x: Symbol, reverse: bool = False) -> Symbol:
    """Embedding, and, called with ``reverse=True``, the product of ``x`` and the table transposed."""
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
