"""Layers of keras-self-attention: https://github.com/CyberZHG/keras-self-attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sofie_jit.frontends.keras.activation import activation
from sofie_jit.frontends.keras.layers.attention import band
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import WeightNames, layer
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol

LARGE = 10000.0
"""Subtracted from scores that are masked."""


def _weights(config: Mapping[str, Any]) -> WeightNames:
    last = ("ba",) if config["use_attention_bias"] else ()
    if config["attention_type"] == "multiplicative":
        return ("Wa", *last)
    return ("Wt", "Wx", *(("bh",) if config["use_additive_bias"] else ()), "Wa", *last)


def _first_output(call: LayerCall, inputs: Any, mask: Any, outputs: Any) -> Any:
    return [mask, None] if call.config["return_attention"] else mask


@layer(
    "SeqSelfAttention",
    weights=_weights,
    mask=_first_output,
    defaults={"units": 32, "attention_width": None, "attention_type": "additive", "return_attention": False,
              "history_only": False, "use_additive_bias": True, "use_attention_bias": True,
              "attention_activation": None},
    builtin=False,
)  # fmt: skip
def sequence_self_attention(call: LayerCall, x: Symbol, mask: Symbol | None = None) -> Any:
    """Attention of a sequence to itself with additive or multiplicative scores, optionally in a window."""
    config, kind = call.config, call.config["attention_type"]
    call.config.ignore("attention_regularizer_weight", "units", "use_additive_bias")
    if kind not in ("additive", "multiplicative"):
        call.refuse(f"attention_type={kind!r} is not supported; expected 'additive' or 'multiplicative'")

    def projected(y: Symbol, name: str) -> Symbol:
        return ops.matmul(y, call.constant(call.weight(name, (y.shape[-1], None)), name))  # type: ignore[arg-type]

    if kind == "additive":
        hidden = ops.add(ops.expand_dims(projected(x, "Wt"), 2), ops.expand_dims(projected(x, "Wx"), 1))
        if config["use_additive_bias"]:
            hidden = ops.add(hidden, call.constant(call.weight("bh"), "bh"))
        scores = ops.squeeze(projected(ops.tanh(hidden), "Wa"), -1)
    else:
        scores = ops.matmul(projected(x, "Wa"), ops.swapaxes(x, 1, 2))
    if config["use_attention_bias"]:
        scores = ops.add(scores, call.constant(call.weight("ba", (1,)), "ba"))
    scores = activation(call, scores, config["attention_activation"])
    allowed = _window(call, x)
    if allowed is not None:
        scores = ops.where(allowed, scores, ops.subtract(scores, LARGE))
    if mask is not None:  # only pairs of two masked steps
        absent = ops.logical_not(ops.cast(mask, "bool"))
        both = ops.logical_and(ops.expand_dims(absent, 1), ops.expand_dims(absent, 2))
        scores = ops.where(both, ops.subtract(scores, LARGE), scores)
    weights = ops.softmax(scores)
    result = ops.matmul(weights, x)
    return (result, weights) if config["return_attention"] else result


def _window(call: LayerCall, x: Symbol) -> Symbol | None:
    """Which steps (rows) attend to which others (columns); None if all do."""
    width, history = call.config["attention_width"], call.config["history_only"]
    if width is None and not history:
        return None
    width = 10**9 if width is None else int(width)
    below = width - 1 if history else width // 2
    return band(x, x.shape[1], x.shape[1], below, width - 1 - below)


@layer(
    "SeqWeightedAttention",
    weights=lambda c: ("W", "b") if c["use_bias"] else ("W",),
    mask=stops,
    defaults={"use_bias": True, "return_attention": False},
    builtin=False,
)
def sequence_weighted_attention(call: LayerCall, x: Symbol, mask: Symbol | None = None) -> Any:
    """The mean of the steps, weighted by the softmax of ``x W + b``."""
    scores = ops.matmul(x, call.constant(call.weight("W", (x.shape[-1], 1)), "W"))  # type: ignore[arg-type]
    if call.config["use_bias"]:
        scores = ops.add(scores, call.constant(call.weight("b", (1,)), "b"))
    scores = ops.squeeze(scores, -1)
    if mask is not None:
        scores = ops.where(ops.cast(mask, "bool"), scores, ops.subtract(scores, LARGE))
    shifted = ops.exp(ops.subtract(scores, ops.max(scores, -1, keepdims=True)))
    weights = ops.divide(shifted, ops.add(ops.sum(shifted, 1, keepdims=True), ops.EPSILON))
    result = ops.sum(ops.multiply(x, ops.expand_dims(weights, -1)), 1)
    return (result, weights) if call.config["return_attention"] else result
