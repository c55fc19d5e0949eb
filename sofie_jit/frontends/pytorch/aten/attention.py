"""Attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.creation import tril
from sofie_jit.frontends.pytorch.aten.products import linear
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.frontends.pytorch.aten.shapes import reshaped
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.operators.expand import Expand


@aten("scaled_dot_product_attention", "_scaled_dot_product_attention_math")
def scaled_dot_product_attention(
    call: AtenCall, query: Symbol, key: Symbol, value: Symbol, attn_mask: Symbol | None, dropout_p: float,
    is_causal: bool, scale: float | None, enable_gqa: bool,
) -> Symbol:  # fmt: skip
    """``softmax(scale * query key^T + mask) value``."""
    if dropout_p:
        call.refuse(f"dropout_p={dropout_p}: call model.eval() before the model is exported")
    size = static_dim("attention", query.shape, -1)
    if enable_gqa and query.shape[-3] != key.shape[-3]:
        heads, groups = (static_dim("attention", x.shape, -3) for x in (query, key))
        key, value = (ops.repeat(x, heads // groups, x.rank - 3) for x in (key, value))
    factor = 1 / math.sqrt(size) if scale is None else scale
    scores = ops.matmul(ops.multiply(query, factor), ops.swapaxes(key, key.rank - 2, key.rank - 1))
    masked = False
    if is_causal:
        ones = call.add(Expand(shape=scores.shape[-2:]), call.constant(np.ones((), np.int32), "one"))
        scores = ops.where(ops.cast(tril(call, ones, 0), "bool"), scores, -math.inf)
    if attn_mask is not None:
        masked = attn_mask.dtype == "bool"
        if masked:
            scores = ops.where(attn_mask, scores, -math.inf)
        else:
            scores = ops.add(scores, ops.cast(attn_mask, scores.dtype))
    weights = ops.softmax(scores, -1)
    if masked:  # PyTorch gives 0 for rows without any element
        weights = ops.where(ops.any(attn_mask, -1, keepdims=True), weights, 0.0)  # type: ignore[arg-type]
    return ops.matmul(weights, value)


@aten("_native_multi_head_attention")
def multi_head_attention(
    call: AtenCall, query: Symbol, key: Symbol, value: Symbol, embed_dim: int, num_head: int, qkv_weight: Symbol,
    qkv_bias: Symbol, proj_weight: Symbol, proj_bias: Symbol, mask: Symbol | None, need_weights: bool,
    average_attn_weights: bool, mask_type: Any,
) -> tuple[Symbol, Symbol | None]:  # fmt: skip
    """Attention of several heads with its projections: the fast path of nn.MultiheadAttention."""
    parts = []
    for index, x in enumerate((query, key, value)):
        part = slice(index * embed_dim, (index + 1) * embed_dim)
        weight = call.constant(call.known(qkv_weight, "qkv_weight")[part], f"weight{index}")
        bias = call.constant(call.known(qkv_bias, "qkv_bias")[part], f"bias{index}")
        projected = linear(call, x, weight, bias)
        split = reshaped(call, projected, [*projected.shape[:2], num_head, embed_dim // num_head])
        parts.append(ops.swapaxes(split, 1, 2))
    q, k, v = parts
    scores = ops.matmul(ops.multiply(q, 1 / math.sqrt(embed_dim // num_head)), ops.swapaxes(k, 2, 3))
    if mask is not None:
        if mask.rank == 2 and mask_type == 1:
            mask = ops.reshape(mask, (mask.shape[0], 1, 1, mask.shape[1]))
        blocked = ops.cast(mask, "bool")
        scores = ops.where(blocked, -math.inf, scores)
    weights = ops.softmax(scores, -1)
    joined = ops.swapaxes(ops.matmul(weights, v), 1, 2)
    y = linear(call, reshaped(call, joined, [*joined.shape[:2], embed_dim]), proj_weight, proj_bias)
    if not need_weights:
        return y, None
    return y, ops.mean(weights, 1) if average_attn_weights else weights


@aten("_transformer_encoder_layer_fwd")
def transformer_encoder_layer(
    call: AtenCall, src: Symbol, embed_dim: int, num_heads: int, qkv_weight: Symbol, qkv_bias: Symbol,
    proj_weight: Symbol, proj_bias: Symbol, use_gelu: bool, norm_first: bool, eps: float, norm_weight_1: Symbol,
    norm_bias_1: Symbol, norm_weight_2: Symbol, norm_bias_2: Symbol, ffn_weight_1: Symbol, ffn_bias_1: Symbol,
    ffn_weight_2: Symbol, ffn_bias_2: Symbol, mask: Symbol | None, mask_type: Any,
) -> Symbol:  # fmt: skip
    """A layer of a transformer's encoder: the fast path of nn.TransformerEncoderLayer."""
    from sofie_jit.frontends.pytorch.aten.normalization import layer_norm

    def normalized(x: Symbol, weight: Symbol, bias: Symbol) -> Symbol:
        return layer_norm(call, x, [embed_dim], weight, bias, eps, None)

    def attended(x: Symbol) -> Symbol:
        return multi_head_attention(
            call, x, x, x, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, mask, False, False,
            mask_type,
        )[0]  # fmt: skip

    def fed_forward(x: Symbol) -> Symbol:
        hidden = linear(call, x, ffn_weight_1, ffn_bias_1)
        hidden = ops.gelu(hidden, approximate=False) if use_gelu else ops.relu(hidden)
        return linear(call, hidden, ffn_weight_2, ffn_bias_2)

    if norm_first:
        x = ops.add(src, attended(normalized(src, norm_weight_1, norm_bias_1)))
        return ops.add(x, fed_forward(normalized(x, norm_weight_2, norm_bias_2)))
    x = normalized(ops.add(src, attended(src)), norm_weight_1, norm_bias_1)
    return normalized(ops.add(x, fed_forward(x)), norm_weight_2, norm_bias_2)
