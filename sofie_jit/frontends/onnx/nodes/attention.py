"""Attention and rotary embeddings."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.frontends.onnx.nodes.sizes import positions, size_of
from sofie_jit.frontends.onnx.tensors import element_type
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import FIX_SIZES, Dim, static_dim

# -- attention ---------------------------------------------------------------------------------------------------------


class Scores(NamedTuple):
    """Products of queries and keys on the way to the weights of values, (batch, heads, queries, keys)."""

    product: Symbol
    capped: Symbol
    """After the softcap."""
    biased: Symbol
    """After the mask."""
    weights: Symbol
    """After the softmax."""


@node("Attention", since=23)
def attention(
    call: OnnxCall, q: Symbol, k: Symbol, v: Symbol, mask: Symbol | None = None, past_key: Symbol | None = None,
    past_value: Symbol | None = None, nonpad_kv_seqlen: Symbol | None = None,
) -> tuple[Symbol, ...]:  # fmt: skip
    """``softmax(scale q k^T + bias) v`` for each head; also the keys and values with the past ones, and the scores."""
    packed = q.rank == 3
    if packed:
        q = _heads(call, q, "q_num_heads")
        k, v = (_heads(call, x, "kv_num_heads") for x in (k, v))
    call.ignore("q_num_heads", "kv_num_heads")
    if (past_key is None) != (past_value is None):
        call.refuse("past_key and past_value must be given together")
    offset: Dim | Symbol = 0
    if past_key is not None and past_value is not None:
        offset = past_key.shape[2]
        k, v = (ops.concatenate([past, new], 2) for past, new in ((past_key, k), (past_value, v)))
    elif nonpad_kv_seqlen is not None:
        first = _of_batch(nonpad_kv_seqlen)
        offset = ops.subtract(first, size_of(call, q.shape[2], first.dtype))
    bias = _bias(call, q, k, mask, offset, nonpad_kv_seqlen)
    scores = _scores(call, q, k, bias)
    y = grouped(scores.weights, v)
    if packed:
        y = ops.transpose(y, (0, 2, 1, 3))
        y = ops.reshape(y, (*y.shape[:2], y.shape[2] * y.shape[3]))
    mode = call.integer("qk_matmul_output_mode", 0)
    if mode not in range(4):
        call.refuse(f"qk_matmul_output_mode is {mode}; expected 0 to 3")
    return y, k, v, scores[mode]


def _heads(call: OnnxCall, x: Symbol, attribute: str) -> Symbol:
    """(batch, time, heads * size) as (batch, heads, time, size)."""
    return split_heads(call, x, call.integer(attribute))


def split_heads(call: OnnxCall, x: Symbol, heads: int) -> Symbol:
    """(batch, time, heads * size) as (batch, heads, time, size)."""
    width = static_dim(call.node.op_type, x.shape, 2)
    if heads < 1 or width % heads:
        call.refuse(f"{heads} heads do not divide the width {width}")
    return ops.transpose(ops.reshape(x, (*x.shape[:2], heads, width // heads)), (0, 2, 1, 3))


def _of_batch(lengths: Symbol) -> Symbol:
    """(batch,) as (batch, 1, 1, 1)."""
    return ops.reshape(lengths, (lengths.shape[0], 1, 1, 1))


def _bias(
    call: OnnxCall, q: Symbol, k: Symbol, mask: Symbol | None, offset: Dim | Symbol, lengths: Symbol | None
) -> Symbol | None:
    """What is added to the scores: minus infinity where a query does not attend a key."""
    causal = call.flag("is_causal")
    left, right = (call.integer(f"{side}_window_size", -1) for side in ("left", "right"))
    queries, keys = q.shape[2], k.shape[2]
    allowed = None
    if causal or left >= 0 or right >= 0:
        rows, columns = positions(call, queries), positions(call, keys)
        ahead = ops.subtract(ops.reshape(columns, (1, keys)), ops.reshape(rows, (queries, 1)))
        if isinstance(offset, Symbol):
            offset = ops.cast(offset, "int64")
        elif not isinstance(offset, int):
            offset = ops.sum(ops.ones_like(positions(call, offset)))
        ahead = ops.subtract(ahead, offset)
        limits = [ops.less_equal(ahead, 0)] if causal else []
        limits += [ops.less_equal(ahead, right)] if right >= 0 else []
        limits += [ops.greater_equal(ahead, -left)] if left >= 0 else []
        for limit in limits:
            allowed = limit if allowed is None else ops.logical_and(allowed, limit)
    if lengths is not None:
        inside = ops.less(positions(call, keys), ops.cast(_of_batch(lengths), "int64"))
        allowed = inside if allowed is None else ops.logical_and(allowed, inside)
    if mask is not None and mask.shape[-1] != keys:
        short, whole = mask.shape[-1], k.shape[2]
        value = False if mask.dtype == "bool" else -np.inf
        mask = ops.pad(mask, [(0, 0)] * (mask.rank - 1) + [(0, whole - short)], constant_values=value)
    if mask is not None and mask.dtype not in ("bool", q.dtype):
        mask = ops.cast(mask, q.dtype)
    if mask is not None and mask.dtype == "bool":
        allowed = mask if allowed is None else ops.logical_and(mask, allowed)
        mask = None
    bias = None if allowed is None else additive(allowed, q.dtype)
    return bias if mask is None else mask if bias is None else ops.add(mask, bias)


def additive(allowed: Symbol, dtype: str) -> Symbol:
    """0 where ``allowed``, minus infinity elsewhere."""
    return ops.where(allowed, np.array(0, dtype), np.array(-np.inf, dtype))


def _scores(call: OnnxCall, q: Symbol, k: Symbol, bias: Symbol | None) -> Scores:
    size = static_dim("Attention", q.shape, 3)
    product = grouped(ops.multiply(q, call.number("scale", 1 / math.sqrt(size))), ops.swapaxes(k, -1, -2))
    softcap = call.number("softcap", 0.0)
    capped = ops.multiply(ops.tanh(ops.divide(product, softcap)), softcap) if softcap > 0 else product
    biased = capped if bias is None else ops.add(capped, bias)
    dtype = element_type(call.integer("softmax_precision"), "softmax").name if call.has("softmax_precision") else ""
    weights = ops.softmax(ops.cast(biased, "float64") if dtype == "float64" else biased)
    weights = ops.cast(weights, q.dtype)
    return Scores(product, capped, biased, weights if bias is None else without_masked_rows(weights, bias))


def without_masked_rows(weights: Symbol, bias: Symbol) -> Symbol:
    """``weights`` with 0 in place of NaN for queries that attend no key."""
    masked = ops.equal(ops.max(bias, -1, keepdims=True), np.array(-np.inf, bias.dtype))
    return ops.where(masked, np.array(0, weights.dtype), weights)


def grouped(a: Symbol, b: Symbol) -> Symbol:
    """Products of the matrices of each head; each head of ``b`` serves several heads of ``a`` if it has fewer."""
    many, few = (static_dim("Attention", x.shape, 1) for x in (a, b))
    if many == few or few == 1:
        return ops.matmul(a, b)
    apart = ops.reshape(a, (a.shape[0], few, many // few, *a.shape[2:]))
    product = ops.matmul(apart, ops.expand_dims(b, 2))
    return ops.reshape(product, (product.shape[0], many, *product.shape[3:]))


@node("FlexAttention", domain="ai.onnx.preview")
def flex_attention(call: OnnxCall, q: Symbol, k: Symbol, v: Symbol) -> Symbol:
    """``softmax(scale q k^T) v`` for each head; graphs of the model may change the scores and the weights."""
    precision = q.dtype
    if call.has("softmax_precision"):
        precision = element_type(call.integer("softmax_precision"), "softmax").name

    def modified(x: Symbol, graph: str) -> Symbol:
        if not call.has(graph):
            return x
        body = call.graph(graph)
        if len(body.inputs) != 1 or len(body.outputs) != 1:
            call.refuse(f"{graph} has {len(body.inputs)} inputs and {len(body.outputs)} outputs; expected one of each")
        result = call.symbol(call.translate(body, {body.inputs[0].name: x})[0], body.outputs[0].name)
        if result.type != x.type:
            call.refuse(f"{graph} returns {result.type} for {x.type}; expected the same type")
        return result

    size = static_dim("FlexAttention", q.shape, 3)
    scores = grouped(ops.multiply(q, call.number("scale", 1 / math.sqrt(size))), ops.swapaxes(k, -1, -2))
    scores = modified(ops.cast(scores, precision), "score_mod")
    weights = modified(ops.softmax(scores), "prob_mod")
    return grouped(ops.cast(weights, v.dtype), v)


# -- linear attention --------------------------------------------------------------------------------------------------

RULES = {"linear": (False, False), "gated": (True, False), "delta": (False, True), "gated_delta": (True, True)}
"""Values of ``update_rule`` -> whether the state decays, and whether it is corrected by what it predicts."""
MAX_STEPS = 256
"""Time steps of LinearAttention, which are translated one by one."""


@node("LinearAttention", since=27)
def linear_attention(
    call: OnnxCall, query: Symbol, key: Symbol, value: Symbol, past_state: Symbol | None = None,
    decay: Symbol | None = None, beta: Symbol | None = None,
) -> tuple[Symbol, Symbol]:  # fmt: skip
    """A state of each head, (keys, values), that every step updates and that the queries read; also the last state."""
    call.ignore("chunk_size")
    rule, heads, groups = (
        call.text("update_rule", "gated_delta"),
        call.integer("q_num_heads"),
        call.integer("kv_num_heads"),
    )
    if rule not in RULES or (decay is None and RULES[rule][0]) or (beta is None and RULES[rule][1]):
        call.refuse(f"update_rule is {rule!r}; expected {', '.join(RULES)}, with the inputs that it needs")
    steps = query.shape[1]
    if not isinstance(steps, int) or not 0 < steps <= MAX_STEPS:
        needed = f"a known number of steps up to {MAX_STEPS} is needed"
        call.refuse(f"its input has shape {query.shape}; {needed}", FIX_SIZES)
    q, k, v = (split_heads(call, x, n) for x, n in ((query, heads), (key, groups), (value, groups)))
    size = static_dim("LinearAttention", q.shape, 3)
    q = ops.multiply(q, call.number("scale", 0.0) or 1 / math.sqrt(size))
    decays, corrects = RULES[rule]
    gates = _per_head(call, decay, groups, exponential=True) if decays and decay is not None else None
    rates = _per_head(call, beta, groups, exponential=False) if corrects and beta is not None else None
    state, outputs = past_state, []
    for step in range(steps):
        row_k, row_v, row_q = (ops.slice_along(x, 2, step, step + 1) for x in (k, v, q))
        if state is not None and gates is not None:
            state = ops.multiply(ops.swapaxes(ops.slice_along(gates, 2, step, step + 1), -1, -2), state)
        if rates is not None:
            row_v = row_v if state is None else ops.subtract(row_v, ops.matmul(row_k, state))
            row_v = ops.multiply(row_v, ops.slice_along(rates, 2, step, step + 1))
        update = ops.matmul(ops.swapaxes(row_k, -1, -2), row_v)
        state = update if state is None else ops.add(state, update)
        outputs.append(grouped(row_q, state))
    assert state is not None
    y = ops.transpose(ops.concatenate(outputs, 2), (0, 2, 1, 3))
    return ops.reshape(y, (*y.shape[:2], y.shape[2] * y.shape[3])), state


def _per_head(call: OnnxCall, x: Symbol, heads: int, exponential: bool) -> Symbol:
    """(batch, time, heads * size or heads or 1) as (batch, heads or 1, time, size or 1)."""
    width = static_dim("LinearAttention", x.shape, 2)
    x = ops.exp(x) if exponential else x
    return ops.expand_dims(ops.swapaxes(x, 1, 2), -1) if width == 1 else split_heads(call, x, heads)


# -- rotary embeddings -------------------------------------------------------------------------------------------------


@node("RotaryEmbedding", since=23)
def rotary_embedding(
    call: OnnxCall, x: Symbol, cosines: Symbol, sines: Symbol, position_ids: Symbol | None = None
) -> Symbol:
    """Pairs of elements of each head, rotated by an angle that depends on the position."""
    if position_ids is not None:
        cosines, sines = (ops.take(cache, position_ids, 0) for cache in (cosines, sines))
    return rotated_heads(call, x, cosines, sines)


def rotated_heads(call: OnnxCall, x: Symbol, cosines: Symbol, sines: Symbol) -> Symbol:
    """``x`` rotated by the angles (batch, time, half a size) of its heads.

    ``x`` is (batch, heads, time, size) or (batch, time, heads * size).
    """
    interleaved, heads = call.flag("interleaved"), call.integer("num_heads", 0)
    shape = x.shape
    if x.rank == 3:
        width = static_dim("RotaryEmbedding", x.shape, 2)
        if heads < 1 or width % heads:
            call.refuse(f"num_heads={heads} does not divide the width {width}")
        x = ops.reshape(x, (*x.shape[:2], heads, width // heads))
    size = static_dim("RotaryEmbedding", x.shape, 3)
    count = call.integer("rotary_embedding_dim", 0) or size
    if count % 2 or count > size:
        call.refuse(f"rotary_embedding_dim={count} does not fit heads of size {size}")
    cosines, sines = (ops.expand_dims(angles, 2 if len(shape) == 3 else 1) for angles in (cosines, sines))
    y = rotated(ops.slice_along(x, 3, 0, count), cosines, sines, interleaved)
    if count < size:
        y = ops.concatenate([y, ops.slice_along(x, 3, count, size)], 3)
    return ops.reshape(y, shape)


def rotated(x: Symbol, cosines: Symbol, sines: Symbol, interleaved: bool) -> Symbol:
    """``x`` with its last axis as pairs (a, b) that become (a cos - b sin, a sin + b cos).

    The pairs are adjacent elements if they are ``interleaved``, else elements of the first and the second half.
    """
    pairs = (*x.shape[:-1], x.shape[-1] // 2, 2) if interleaved else (*x.shape[:-1], 2, x.shape[-1] // 2)
    axis = -1 if interleaved else -2
    a, b = (ops.squeeze(ops.slice_along(ops.reshape(x, pairs), axis, i, i + 1), [axis]) for i in (0, 1))
    real = ops.subtract(ops.multiply(a, cosines), ops.multiply(b, sines))
    imaginary = ops.add(ops.multiply(a, sines), ops.multiply(b, cosines))
    return ops.reshape(ops.stack([real, imaginary], axis), x.shape)
