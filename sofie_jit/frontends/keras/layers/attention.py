"""Attention layers: Attention, AdditiveAttention, MultiHeadAttention, GroupQueryAttention."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import WeightNames, layer
from sofie_jit.frontends.keras.masks import LARGE, all_of, lessened, passes
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, Shape, product
from sofie_jit.ir.types import is_floating

LARGEST = 0.7 * 3.38953e38
"""The negative of the score that replaces masked scores in Keras's fused attention."""


def band(x: Symbol, rows: Dim, columns: Dim, below: int | None, above: int | None) -> Symbol:
    """Where the column index minus the row index is in [-``below``, ``above``]: a bool tensor (rows, columns).

    None is no limit. ``x`` is any tensor of the network. Causal attention is a band that ends at the diagonal.
    """

    def indices(size: Dim) -> Symbol:
        ones = x.builder.constant(np.ones(1, np.int32), "one")
        return ops.cumsum(ops.broadcast_to(ones, (size,)), 0)

    if isinstance(rows, int) and isinstance(columns, int):
        offsets = np.arange(columns) - np.arange(rows)[:, np.newaxis]
        inside = (offsets >= (-rows if below is None else -below)) & (offsets <= (columns if above is None else above))
        return x.builder.constant(inside, "band")
    offset = ops.subtract(ops.expand_dims(indices(columns), 0), ops.expand_dims(indices(rows), 1))
    limits = []
    if below is not None:
        limits.append(ops.greater_equal(offset, -below))
    if above is not None:
        limits.append(ops.less_equal(offset, above))
    return all_of(*limits)


# -- Attention and AdditiveAttention -------------------------------------------------------------------------------


def _mask_of_query(call: LayerCall, inputs: Any, mask: Any, outputs: Any) -> Any:
    """The output has the mask of the first of a list of inputs."""
    return mask[0] if isinstance(mask, (list, tuple)) else None


def _scale_weights(config: Mapping[str, Any]) -> WeightNames:
    concat = config["score_mode"] == "concat"
    return (*(("scale",) if config["use_scale"] else ()), *(("concat_score_weight",) if concat else ()))


@layer(
    "Attention",
    weights=_scale_weights,
    mask=_mask_of_query,
    defaults={"use_scale": False, "score_mode": "dot"},
)
def attention(
    call: LayerCall,
    inputs: Sequence[Symbol],
    mask: Sequence[Symbol | None] | None = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Any:
    """``softmax(scores) value``; scores are products of queries and keys, or (``concat``) sums of tanh(query + key)."""
    query, value, key = _query_value_key(call, inputs)
    mode = call.config["score_mode"]
    scale = call.constant(call.weight("scale", ()), "scale") if call.config["use_scale"] else None
    if mode == "dot":
        scores = ops.matmul(query, ops.swapaxes(key, -2, -1))
        scores = scores if scale is None else ops.multiply(scores, scale)
    elif mode == "concat":
        pairs = _pairs(query, key)
        pairs = pairs if scale is None else ops.multiply(scale, pairs)
        weight = call.constant(call.weight("concat_score_weight", ()), "concat_score_weight")
        scores = ops.multiply(weight, ops.sum(ops.tanh(pairs), axis=-1))
    else:
        call.refuse(f"score_mode={mode!r} is not supported; expected 'dot' or 'concat'")
    return _apply_scores(call, scores, value, mask, return_attention_scores, use_causal_mask)


@layer(
    "AdditiveAttention",
    weights=lambda c: ("scale",) if c["use_scale"] else (),
    mask=_mask_of_query,
    defaults={"use_scale": True},
)
def additive_attention(
    call: LayerCall,
    inputs: Sequence[Symbol],
    mask: Sequence[Symbol | None] | None = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Any:
    """``softmax(scores) value``; the scores are weighted sums of tanh(query + key) (Bahdanau)."""
    query, value, key = _query_value_key(call, inputs)
    each = ops.tanh(_pairs(query, key))
    if call.config["use_scale"]:
        scale = call.constant(call.weight("scale", (_features(call, query),)).reshape(-1, 1), "scale")
        scores = ops.squeeze(ops.linear(each, scale), -1)
    else:
        scores = ops.sum(each, axis=-1)
    return _apply_scores(call, scores, value, mask, return_attention_scores, use_causal_mask)


def _query_value_key(call: LayerCall, inputs: Sequence[Symbol]) -> tuple[Symbol, Symbol, Symbol]:
    if isinstance(inputs, Symbol) or len(inputs) not in (2, 3) or any(x.rank < 3 for x in inputs):
        call.refuse("its input should be [query, value] or [query, value, key], each (batch, steps, features)")
    query, value, *key = inputs
    return query, value, key[0] if key else value


def _features(call: LayerCall, x: Symbol) -> int:
    if not isinstance(x.shape[-1], int):
        call.refuse(f"its input has shape {x.shape}; the size of the last axis must be known")
    return x.shape[-1]


def _pairs(query: Symbol, key: Symbol) -> Symbol:
    """The sum of each query and each key: (batch, queries, keys, features)."""
    return ops.add(ops.expand_dims(query, -2), ops.expand_dims(key, -3))


def _apply_scores(
    call: LayerCall,
    scores: Symbol,
    value: Symbol,
    mask: Sequence[Symbol | None] | None,
    return_scores: bool,
    causal: bool,
) -> Any:
    if mask is not None and (isinstance(mask, Symbol) or len(mask) not in (2, 3)):
        call.refuse("its mask should be a list, [query_mask, value_mask]")
    query_mask, value_mask = (mask[0], mask[1]) if mask is not None else (None, None)
    allowed = [] if value_mask is None else [ops.expand_dims(ops.cast(value_mask, "bool"), -2)]
    if causal or call.config.get("causal"):  # an option of Keras 2
        allowed.append(band(scores, scores.shape[-2], scores.shape[-1], None, 0))
    weights = _softmax_less(scores, all_of(*allowed) if allowed else None)
    output = ops.matmul(weights, value)
    if query_mask is not None:
        output = ops.where(ops.expand_dims(query_mask, -1), output, 0.0)
    return (output, weights) if return_scores else output


def _softmax_less(scores: Symbol, allowed: Symbol | None) -> Symbol:
    """Softmax of scores, with a large number subtracted from those that are not ``allowed``."""
    return ops.softmax(scores if allowed is None else lessened(scores, allowed))


# -- MultiHeadAttention and GroupQueryAttention --------------------------------------------------------------------


def projections(config: Mapping[str, Any]) -> WeightNames:
    """The weights of the projections of query, key, value and output."""
    gate = ("gate_dense",) if config.get("use_gate") else ()
    parts = ("query_dense", "key_dense", *gate, "value_dense", "output_dense")
    return tuple(f"{part}/{name}" for part in parts for name in ("kernel", *(("bias",) if config["use_bias"] else ())))


@layer(
    "MultiHeadAttention",
    weights=projections,
    mask=passes,
    promotes=True,
    defaults={"value_dim": None, "use_bias": True, "output_shape": None, "attention_axes": None, "dropout": 0.0},
)
def multi_head_attention(
    call: LayerCall,
    query: Symbol,
    value: Symbol,
    key: Symbol | None = None,
    query_mask: Symbol | None = None,
    value_mask: Symbol | None = None,
    key_mask: Symbol | None = None,
    attention_mask: Symbol | None = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Any:
    """Attention in ``num_heads`` projections of query, key and value; the results are projected to the output."""
    key = value if key is None else key
    config, axes = call.config, _attention_axes(call, query)
    config.ignore("query_shape", "key_shape", "value_shape")  # Keras 2 wrote the shapes that it was built for
    query_mask = call.masks.of(query)  # Keras uses the mask of the tensor, whatever the argument is, and removes it
    if call.layer.keras_major < 3:
        value_mask, key_mask = call.masks.of(value), call.masks.of(key)
    else:
        for x in (query, value, key):
            call.masks.attach(x, None)
    masks = (query_mask, value_mask, key_mask, attention_mask)
    allowed = _allowed(call, query, value, masks, use_causal_mask)
    size, value_size = config["key_dim"], config["value_dim"] or config["key_dim"]
    heads = config["num_heads"]
    q = _heads(call, query, "query_dense", heads, size, 1 / math.sqrt(size))
    k = _heads(call, key, "key_dense", heads, size)
    v = _heads(call, value, "value_dense", heads, value_size)

    # heads and other axes count matrices, whose rows and columns are the attention axes
    rank = query.rank
    stack = [axis for axis in range(rank) if axis not in axes]
    order = [*stack, *axes, rank]
    lead = tuple(q.shape[axis] for axis in stack)
    queries, keys = (tuple(x.shape[axis] for axis in axes) for x in (q, k))
    rows = ops.reshape(ops.transpose(q, order), (*lead, product(*queries), size))
    columns = ops.reshape(ops.transpose(k, [*stack, rank, *axes]), (*lead, size, product(*keys)))
    values = ops.reshape(ops.transpose(v, order), (*lead, product(*keys), value_size))

    if allowed is not None:
        allowed = _flat_mask(call, allowed, len(lead), queries, keys)
    fused = not config["dropout"] and not return_attention_scores and rank == 3
    scores = _masked_softmax(call, ops.matmul(rows, columns), allowed, fused)
    mixed = ops.reshape(ops.matmul(scores, values), (*lead, *queries, value_size))
    mixed = ops.transpose(mixed, [order.index(axis) for axis in range(rank + 1)])
    output = _output(call, mixed, query, (heads, value_size), config["output_shape"])
    call.masks.attach(output, query_mask)
    return (output, ops.reshape(scores, (*lead, *queries, *keys))) if return_attention_scores else output


@layer("GroupQueryAttention", weights=projections, mask=passes, promotes=True)
def group_query_attention(
    call: LayerCall,
    query: Symbol,
    value: Symbol,
    key: Symbol | None = None,
    query_mask: Symbol | None = None,
    value_mask: Symbol | None = None,
    key_mask: Symbol | None = None,
    attention_mask: Symbol | None = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Any:
    """Attention in ``num_query_heads`` projections of the query; groups of them share projections of key and value."""
    key = value if key is None else key
    if any(x.rank != 3 for x in (query, value, key)):
        call.refuse(f"its inputs have shapes {query.shape} and {value.shape}; expected (batch, steps, features)")
    config = call.config
    masks = (query_mask, value_mask, key_mask, attention_mask)
    allowed = _allowed(call, query, value, masks, use_causal_mask)
    size, heads, groups = config["head_dim"], config["num_query_heads"], config["num_key_value_heads"]
    batch, targets, sources = query.shape[0], query.shape[1], value.shape[1]
    q = _heads(call, query, "query_dense", heads, size, 1 / math.sqrt(size))
    k = _heads(call, key, "key_dense", groups, size)
    v = _heads(call, value, "value_dense", groups, size)

    rows = ops.reshape(ops.transpose(q, (0, 2, 1, 3)), (batch, groups, heads // groups, targets, size))
    columns = ops.expand_dims(ops.transpose(k, (0, 2, 3, 1)), 2)
    values = ops.expand_dims(ops.transpose(v, (0, 2, 1, 3)), 2)
    if allowed is not None:
        allowed = _flat_mask(call, allowed, 2, (targets,), (sources,))
        allowed = (
            ops.expand_dims(allowed, 1)
            if allowed.shape[1] == 1
            else ops.reshape(allowed, (allowed.shape[0], groups, heads // groups, *allowed.shape[2:]))
        )
    fused = not config["dropout"] and not return_attention_scores
    if not fused and attention_mask is not None and is_floating(attention_mask.dtype):
        call.refuse("its attention_mask is floating point, which Keras rounds in part; cast it to bool")
    scores = _masked_softmax(call, ops.matmul(rows, columns), allowed, fused)
    mixed = ops.reshape(ops.matmul(scores, values), (batch, heads, targets, size))
    output = _output(call, ops.transpose(mixed, (0, 2, 1, 3)), query, (heads, size), None)
    return (output, ops.reshape(scores, (batch, heads, targets, sources))) if return_attention_scores else output


def _attention_axes(call: LayerCall, query: Symbol) -> list[int]:
    """The attention axes, normalized to non-negative; by default all axes between batch and features."""
    option = call.config["attention_axes"]
    axes = [option] if isinstance(option, int) else list(option or range(1, query.rank - 1))
    axes = [axis + query.rank if axis < 0 else axis for axis in axes]
    if not axes or any(not 0 < axis < query.rank - 1 for axis in axes) or len(set(axes)) < len(axes):
        call.refuse(f"attention_axes={option!r} does not name axes between the batch and the features of {query.type}")
    return axes


def _allowed(
    call: LayerCall, query: Symbol, value: Symbol, masks: Sequence[Symbol | None], causal: bool
) -> Symbol | None:
    """Which query may attend to which value, by the masks of query, value, key, and both, and by the options.

    Numbers in an attention mask count as True, but Keras 2 uses them as they are if there is no other mask.
    """
    if call.layer.keras_major < 3 and not causal and not any(mask is not None for mask in masks[:-1]):
        return masks[-1]
    query_mask, value_mask, key_mask, attention_mask = (None if m is None else ops.cast(m, "bool") for m in masks)
    window = call.config.get("sliding_window")
    found = [] if query_mask is None else [ops.expand_dims(query_mask, -1)]
    found += [ops.expand_dims(mask, -2) for mask in (value_mask, key_mask) if mask is not None]
    if causal or window:
        below, above = (None, None) if window is None else (window - 1, window - 1)
        inside = band(query, query.shape[1], value.shape[1], below, 0 if causal else above)
        found.append(ops.expand_dims(inside, 0))
    found += [] if attention_mask is None else [attention_mask]
    return all_of(*found) if found else None


def _flat_mask(call: LayerCall, allowed: Symbol, lead: int, queries: Shape, keys: Shape) -> Symbol:
    """``allowed`` reshaped for scores (lead..., queries, keys); new axes are inserted before those of the queries."""
    ends = 2 * len(queries)
    if not ends < allowed.rank + 1 <= lead + ends + 1:
        call.refuse(f"its attention_mask has shape {allowed.shape}; expected (batch, queries, keys)")
    while allowed.rank < lead + ends:
        allowed = ops.expand_dims(allowed, -ends - 1)
    if len(queries) == 1:
        return allowed
    allowed = ops.broadcast_to(allowed, (*allowed.shape[:lead], *queries, *keys))
    return ops.reshape(allowed, (*allowed.shape[:lead], product(*queries), product(*keys)))


def _masked_softmax(call: LayerCall, scores: Symbol, allowed: Symbol | None, fused: bool) -> Symbol:
    """Softmax of the scores that are ``allowed``; a row without any is uniform in Keras's fused attention, else 0."""
    if allowed is None or call.layer.keras_major < 3:
        return _softmax_less(scores, allowed)
    weights = ops.softmax(ops.where(allowed, scores, -LARGEST if fused else -LARGE))
    return weights if fused else ops.where(allowed, weights, 0.0)


def _heads(call: LayerCall, x: Symbol, name: str, heads: int, size: int, scale: float = 1.0) -> Symbol:
    """``scale * (x W + b)`` as (..., heads, size)."""
    flat = _dense(call, x, name, (_features(call, x),), (heads, size), scale)
    return ops.reshape(flat, (*x.shape[:-1], heads, size))


def _output(call: LayerCall, mixed: Symbol, query: Symbol, each: tuple[int, int], shape: Any) -> Symbol:
    """The results of all heads, each (heads, size), times the gate if there is one, projected to the output."""
    if call.config.get("use_gate"):
        mixed = ops.multiply(mixed, ops.sigmoid(_heads(call, query, "gate_dense", *each)))
    target = [_features(call, query)] if not shape else [shape] if isinstance(shape, int) else list(shape)
    joined = ops.reshape(mixed, (*mixed.shape[:-2], math.prod(each)))
    return ops.reshape(_dense(call, joined, "output_dense", each, target), (*mixed.shape[:-2], *target))


def _dense(
    call: LayerCall, x: Symbol, name: str, inputs: Sequence[Any], outputs: Sequence[Any], scale: float = 1.0
) -> Symbol:
    """``scale * (x W + b)`` over the last axis, W (inputs..., outputs...) and b (outputs...) of sublayer ``name``."""
    kernel = call.weight(f"{name}/kernel", (*inputs, *outputs)).reshape(math.prod(inputs), math.prod(outputs))
    weights: dict[str, np.ndarray] = {f"{name}/kernel": kernel}
    if call.config["use_bias"]:
        weights[f"{name}/bias"] = call.weight(f"{name}/bias", outputs).reshape(-1)
    if scale != 1:
        weights = {label: values * values.dtype.type(scale) for label, values in weights.items()}
    return ops.linear(x, *(call.constant(values, label) for label, values in weights.items()))
