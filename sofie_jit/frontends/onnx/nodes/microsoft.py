"""Operators of the domain com.microsoft, which ONNX Runtime's optimizer and some exporters leave in models.

They are defined in ONNX Runtime's docs/ContribOperators.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sofie_jit.frontends.onnx.nodes.activations import scaled_swish
from sofie_jit.frontends.onnx.nodes.attention import additive, grouped, rotated_heads, split_heads
from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.convolution import CONVOLUTION, convolved
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.frontends.onnx.nodes.sizes import positions, size_of
from sofie_jit.frontends.onnx.values import Value
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.operators import activations, normalization
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.gemm import Gemm

MICROSOFT = "com.microsoft"

# -- activations -------------------------------------------------------------------------------------------------------


@node("Gelu", domain=MICROSOFT)
def gelu(call: OnnxCall, x: Symbol) -> Symbol:
    """``x * P(X <= x)`` for a normally distributed X."""
    return ops.gelu(x, approximate=False)


@node("BiasGelu", domain=MICROSOFT)
def bias_gelu(call: OnnxCall, a: Symbol, b: Symbol) -> Symbol:
    """Gelu of a sum."""
    return ops.gelu(ops.add(a, b), approximate=False)


@node("FastGelu", domain=MICROSOFT)
def fast_gelu(call: OnnxCall, x: Symbol, bias: Symbol | None = None) -> Symbol:
    """Gelu's approximation by tanh, of a sum."""
    return ops.gelu(x if bias is None else ops.add(x, bias), approximate=True)


@node("QuickGelu", domain=MICROSOFT)
def quick_gelu(call: OnnxCall, x: Symbol) -> Symbol:
    """``x * sigmoid(alpha x)``."""
    return scaled_swish(call, x, call.number("alpha", 1.702))


@node("BiasSplitGelu", domain=MICROSOFT)
def bias_split_gelu(call: OnnxCall, x: Symbol, bias: Symbol) -> Symbol:
    """The first half of a sum along the last axis, times Gelu of the second."""
    first, second = ops.split(ops.add(x, bias), 2, -1)
    return ops.multiply(first, ops.gelu(second, approximate=False))


@node("BiasAdd", domain=MICROSOFT)
def bias_add(call: OnnxCall, x: Symbol, bias: Symbol, skip: Symbol) -> Symbol:
    """``x + bias + skip``."""
    return ops.add(ops.add(x, bias), skip)


FUSED: dict[str, Callable[[list[float]], activations.Activation]] = {
    "Relu": lambda p: activations.Relu(),
    "Sigmoid": lambda p: activations.Sigmoid(),
    "Tanh": lambda p: activations.Tanh(),
    "LeakyRelu": lambda p: activations.LeakyRelu(alpha=p[0]),
    "Clip": lambda p: activations.Clip(min=p[0], max=p[1]),
    "HardSigmoid": lambda p: activations.HardSigmoid(alpha=p[0], beta=p[1]),
}
"""Values of the attribute ``activation`` -> the activation with these parameters."""


def _activated(call: OnnxCall, x: Symbol, parameters: list[float]) -> Symbol:
    name = call.text("activation", "")
    if name and name not in FUSED:
        call.refuse(f"the activation {name!r} is not supported; supported are {', '.join(FUSED)}")
    return call.add(FUSED[name](parameters), x) if name else x


# -- products ----------------------------------------------------------------------------------------------------------


@node("FusedMatMul", "TransposeMatMul", domain=MICROSOFT)
def fused_matmul(call: OnnxCall, a: Symbol, b: Symbol) -> Symbol:
    """``alpha A B`` of matrices or stacks of them, which are transposed before.

    ``transBatchA`` moves the first axis of A to the place before the last one: (rows, batch, columns) is a stack.
    """
    a, b = (ops.moveaxis(x, 0, -2) if call.flag(f"transBatch{n}") else x for n, x in (("A", a), ("B", b)))
    a, b = (ops.swapaxes(x, -1, -2) if call.flag(f"trans{n}") else x for n, x in (("A", a), ("B", b)))
    alpha, product = call.number("alpha", 1.0), ops.matmul(a, b)
    return product if alpha == 1 else ops.multiply(product, alpha)


@node("FusedGemm", domain=MICROSOFT)
def fused_gemm(call: OnnxCall, a: Symbol, b: Symbol, c: Symbol | None = None) -> Symbol:
    """Gemm with an activation."""
    y = call.add(call.operator(Gemm, "alpha", "beta", "transA", "transB"), a, b, c)
    given = [call.number(f"activation_{name}", math.nan) for name in ("alpha", "beta", "gamma")]
    return _activated(call, y, given)


@node("FusedConv", domain=MICROSOFT)
def fused_conv(call: OnnxCall, x: Symbol, w: Value, b: Value | None = None, z: Symbol | None = None) -> Symbol:
    """Conv, plus a tensor, with an activation."""
    y = convolved(call, call.operator(Conv, *CONVOLUTION), x, w, b)
    return _activated(call, y if z is None else ops.add(y, z), call.numbers("activation_params") or [])


# -- normalization -----------------------------------------------------------------------------------------------------


@node("SkipLayerNormalization", domain=MICROSOFT)
def skip_layer_normalization(
    call: OnnxCall, x: Symbol, skip: Symbol, gamma: Symbol, beta: Symbol | None = None, bias: Symbol | None = None
) -> tuple[Symbol, ...]:
    """LayerNormalization of a sum, and the sum."""
    total = _sum(x, skip, bias)
    operator = normalization.LayerNormalization(axis=-1, epsilon=call.number("epsilon", 1e-12))
    return _with_statistics(call, call.add(operator, total, gamma, beta), total, operator.epsilon, centered=True)


@node("SkipSimplifiedLayerNormalization", domain=MICROSOFT)
def skip_simplified_layer_normalization(
    call: OnnxCall, x: Symbol, skip: Symbol, gamma: Symbol, bias: Symbol | None = None
) -> tuple[Symbol, ...]:
    """RMSNormalization of a sum, and the sum."""
    total = _sum(x, skip, bias)
    operator = normalization.RMSNormalization(axis=-1, epsilon=call.number("epsilon", 1e-12))
    return _with_statistics(call, call.add(operator, total, gamma), total, operator.epsilon, centered=False)


def _sum(x: Symbol, skip: Symbol, bias: Symbol | None) -> Symbol:
    total = ops.add(x, skip)
    return total if bias is None else ops.add(total, bias)


def _with_statistics(call: OnnxCall, y: Symbol, x: Symbol, epsilon: float, centered: bool) -> tuple[Symbol, ...]:
    """The outputs of the operators above: ``y``, the mean and the inverse standard deviation of ``x``, and ``x``."""
    if not call.wants(1) and not call.wants(2):
        return y, y, y, x
    mean = ops.mean(x, -1, keepdims=True)
    spread = ops.mean(ops.square(ops.subtract(x, mean) if centered else x), -1, keepdims=True)
    return y, mean, ops.rsqrt(ops.add(spread, epsilon)), x


@node("EmbedLayerNormalization", domain=MICROSOFT)
def embed_layer_normalization(
    call: OnnxCall, input_ids: Symbol, segment_ids: Symbol | None, words: Symbol, places: Symbol,
    segments: Symbol | None, gamma: Symbol, beta: Symbol, mask: Symbol | None = None,
    position_ids: Symbol | None = None,
) -> tuple[Symbol, ...]:  # fmt: skip
    """LayerNormalization of the sum of embeddings of words, places and segments; lengths by the mask; the sum."""
    call.ignore("mask_index_type")
    at = positions(call, input_ids.shape[1]) if position_ids is None else position_ids
    total = ops.add(ops.take(words, input_ids, 0), ops.take(places, at, 0))
    if segments is not None:  # as in ONNX Runtime, all words are of segment 0 if there are no segment_ids
        total = ops.add(total, ops.take(segments, np.int64(0) if segment_ids is None else segment_ids, 0))
    operator = normalization.LayerNormalization(axis=-1, epsilon=call.number("epsilon", 1e-12))
    y = call.add(operator, total, gamma, beta)
    if mask is None:
        lengths = ops.multiply(ops.sum(ops.zeros_like(input_ids, "int32"), 1), 1)
    else:
        lengths = ops.sum(ops.cast(mask, "int32"), 1)
    return y, lengths, total


# -- attention ---------------------------------------------------------------------------------------------------------


@node("RotaryEmbedding", domain=MICROSOFT)
def rotary_embedding(call: OnnxCall, x: Symbol, position_ids: Symbol, cosines: Symbol, sines: Symbol) -> Symbol:
    """Pairs of elements of each head, rotated by an angle that depends on the position."""
    if call.flag("is_packed_batching") or call.number("scale", 1.0) != 1:
        call.refuse("is_packed_batching and scale are not supported")
    if x.rank == 3 and not call.integer("num_heads", 0):
        call.refuse("num_heads must be given for an input of three axes")
    if position_ids.rank == 1:  # the position of the first token
        time = x.shape[1] if x.rank == 3 else x.shape[2]
        steps = ops.reshape(positions(call, time), (1, time))
        position_ids = ops.add(ops.cast(ops.reshape(position_ids, (1, 1)), "int64"), steps)
    return rotated_heads(call, x, *(ops.take(cache, position_ids, 0) for cache in (cosines, sines)))


@node("MultiHeadAttention", domain=MICROSOFT)
def multi_head_attention(
    call: OnnxCall, query: Symbol, key: Symbol | None = None, value: Symbol | None = None, bias: Symbol | None = None,
    key_padding_mask: Symbol | None = None, attention_bias: Symbol | None = None, past_key: Symbol | None = None,
    past_value: Symbol | None = None,
) -> tuple[Symbol, ...]:  # fmt: skip
    """Attention of heads that lie side by side in the last axis; also the keys and values with the past ones."""
    heads = call.integer("num_heads")
    if query.rank == 5 or key is None or key.rank == 5 or value is None:
        call.refuse("queries, keys and values that are packed in one tensor are not supported")
    if bias is not None:
        width, other = static_dim("MultiHeadAttention", query.shape, 2), static_dim("bias", bias.shape, 0)
        ends = [width, 2 * width, other]
        parts = [ops.slice_along(bias, 0, start, end) for start, end in zip([0, *ends], ends, strict=False)]
        query = ops.add(query, parts[0])
        key, value = (ops.add(x, part) if x.rank == 3 else x for x, part in ((key, parts[1]), (value, parts[2])))
    q = split_heads(call, query, heads)
    k, v = (split_heads(call, x, heads) if x.rank == 3 else x for x in (key, value))
    return _attended(call, q, k, v, key_padding_mask, attention_bias, past_key, past_value)


@node("Attention", domain=MICROSOFT)
def attention(
    call: OnnxCall, x: Symbol, weights: Symbol, bias: Symbol | None = None, mask_index: Symbol | None = None,
    past: Symbol | None = None, attention_bias: Symbol | None = None,
) -> tuple[Symbol, ...]:  # fmt: skip
    """Attention of the queries, keys and values that a product with ``weights`` gives; also the present ones."""
    heads, total = call.integer("num_heads"), static_dim("Attention", weights.shape, 1)
    sizes = call.integers("qkv_hidden_sizes") or [total // 3] * 3
    if len(sizes) != 3 or sum(sizes) != total or call.flag("do_rotary") or call.flag("past_present_share_buffer"):
        call.refuse(f"qkv_hidden_sizes={sizes} for {total} columns, do_rotary or past_present_share_buffer")
    projected = ops.matmul(x, weights)
    projected = projected if bias is None else ops.add(projected, bias)
    parts = ops.split(projected, np.cumsum(sizes[:-1]).tolist(), -1)
    q, k, v = (split_heads(call, part, heads) for part in parts)
    states = [None, None] if past is None else [ops.squeeze(ops.slice_along(past, 0, i, i + 1), [0]) for i in (0, 1)]
    y, k, v = _attended(call, q, k, v, mask_index, attention_bias, *states)
    return (y, ops.stack([k, v], 0)) if call.wants(1) else (y,)


def _attended(
    call: OnnxCall, q: Symbol, k: Symbol, v: Symbol, mask: Symbol | None, bias: Symbol | None, past_key: Symbol | None,
    past_value: Symbol | None,
) -> tuple[Symbol, Symbol, Symbol]:  # fmt: skip
    """The output (batch, time, heads * size), and keys and values with the past ones, (batch, heads, time, size)."""
    if past_key is not None and past_value is not None:
        k, v = ops.concatenate([past_key, k], 2), ops.concatenate([past_value, v], 2)
    size, queries, keys = static_dim("Attention", q.shape, 3), q.shape[2], k.shape[2]
    scores = ops.multiply(grouped(q, ops.swapaxes(k, -1, -2)), call.number("scale", 0.0) or 1 / math.sqrt(size))
    if bias is not None:
        scores = ops.add(scores, bias)
    filtered = call.number("mask_filter_value", -10000.0)
    if mask is not None:
        scores = ops.add(scores, ops.where(_kept(call, mask, keys), np.float32(0), np.float32(filtered)))
    if call.flag("unidirectional"):
        rows, columns = positions(call, queries), positions(call, keys)
        ahead = ops.subtract(ops.reshape(columns, (1, keys)), ops.reshape(rows, (queries, 1)))
        past = keys - queries
        limit = past if isinstance(past, int) else size_of(call, past, "int64")
        scores = ops.add(scores, additive(ops.less_equal(ahead, limit), scores.dtype))
    y = ops.transpose(grouped(ops.softmax(scores), v), (0, 2, 1, 3))
    return ops.reshape(y, (*y.shape[:2], y.shape[2] * y.shape[3])), k, v


def _kept(call: OnnxCall, mask: Symbol, keys: object) -> Symbol:
    """Which keys count, broadcasting to (batch, heads, queries, keys), by a mask or by lengths."""
    if mask.rank == 1:
        lengths = ops.reshape(mask, (mask.shape[0], 1, 1, 1))
        return ops.less(positions(call, keys), ops.cast(lengths, "int64"))  # type: ignore[arg-type]
    if mask.rank not in (2, 3):
        call.refuse(f"a mask of {mask.rank} axes is not supported")
    shape = (mask.shape[0], *[1] * (4 - mask.rank), *mask.shape[1:])
    return ops.cast(ops.reshape(mask, shape), "bool")
