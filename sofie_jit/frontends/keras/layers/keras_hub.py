"""Layers of keras_hub (keras_nlp): embeddings, position encodings and blocks of transformers.

Source: https://github.com/keras-team/keras-hub, ``keras_hub/src/layers/modeling``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.activation import activation
from sofie_jit.frontends.keras.layers.attention import band, multi_head_attention, projections
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.embedding import reversible_embedding, reversible_embedding_weights
from sofie_jit.frontends.keras.layers.registry import WeightNames, layer
from sofie_jit.frontends.keras.layers.sublayers import part, part_weights, sublayer_weights
from sofie_jit.frontends.keras.masks import passes, stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.size_arrays import SizeArrays


def both(name: str) -> tuple[str, str]:
    """The class under the package's name of today, and under the one that it had before."""
    return f"keras_hub>{name}", f"keras_nlp>{name}"


# -- embeddings and positions ----------------------------------------------------------------------------------------


def _reversible(config: Mapping[str, Any]) -> dict[str, Any]:
    return {"mask_zero": False, "tie_weights": True, "logit_soft_cap": None, "reverse_dtype": None, **config}


layer(
    *both("ReversibleEmbedding"), weights=reversible_embedding_weights, mask=stops, defaults=_reversible({}),
    builtin=False,
)(reversible_embedding)  # fmt: skip


def _positions(call: LayerCall, x: Symbol, start_index: Any, positions: Any) -> None:
    if positions is not None or not isinstance(start_index, int):
        call.refuse("called with positions or a computed start_index, which is not supported; call it without them")


def _rows_of(call: LayerCall, x: Symbol, table: np.ndarray, start_index: int) -> Symbol:
    """The rows of a table of positions, from ``start_index`` on, for the steps of ``x``, in its shape."""
    steps = x.shape[-2]
    if isinstance(steps, int) and start_index + steps > len(table):
        call.refuse(f"its input has {steps} steps, its table of positions {len(table)} rows from {start_index} on")
    rows = call.constant(table[start_index:], "positions")
    if isinstance(steps, int):
        return ops.broadcast_to(ops.slice_along(rows, 0, 0, steps), x.shape)
    counted = ops.subtract(ops.cumsum(ops.broadcast_to(call.constant(np.ones(1, np.int32), "one"), (steps,)), 0), 1)
    return ops.broadcast_to(ops.take(rows, counted, 0), x.shape)


@layer(*both("PositionEmbedding"), weights=("position_embeddings",), mask=passes, builtin=False)
def position_embedding(call: LayerCall, x: Symbol, start_index: Any = 0, positions: Any = None) -> Symbol:
    """The learned vectors of the positions of ``x``, whatever its values."""
    _positions(call, x, start_index, positions)
    call.config.ignore("initializer")
    size = (int(call.config["sequence_length"]), x.shape[-1])
    return _rows_of(call, x, call.weight("position_embeddings", size), start_index)  # type: ignore[arg-type]


TOKENS = "token_embedding"


@layer(
    *both("TokenAndPositionEmbedding"),
    weights=lambda c: (
        *(f"{TOKENS}/{name}" for name in reversible_embedding_weights(c)), "position_embedding/position_embeddings"
    ),
    mask=stops,
    defaults=_reversible({}),
    builtin=False,
)  # fmt: skip
def token_and_position_embedding(call: LayerCall, x: Symbol, start_index: Any = 0, positions: Any = None) -> Symbol:
    """The sum of the vectors of each token and of its position."""
    config = call.config
    _positions(call, x, start_index, positions)
    config.ignore("tie_weights", "logit_soft_cap", "reverse_dtype")
    sizes = {"input_dim": int(config["vocabulary_size"]), "output_dim": int(config["embedding_dim"])}
    tokens = part(call, TOKENS, "Embedding", mask_zero=bool(config["mask_zero"]), **sizes)(x)
    table = call.weight("position_embedding/position_embeddings", (config["sequence_length"], sizes["output_dim"]))
    return call.masks.attach(ops.add(tokens, _rows_of(call, tokens, table, start_index)), call.masks.of(tokens))


@layer(*both("SinePositionEncoding"), mask=passes, defaults={"max_wavelength": 10000}, builtin=False)
def sine_position_encoding(call: LayerCall, x: Symbol, start_index: Any = 0, positions: Any = None) -> Symbol:
    """Sines in the even and cosines in the odd features, of wavelengths up to ``max_wavelength``."""
    _positions(call, x, start_index, positions)
    name = call.layer.class_name
    steps, size = x.shape[-2], static_dim(name, x.shape, -1)
    rates = float(call.config["max_wavelength"]) ** (-2.0 * (np.arange(size) // 2) / size)
    a = SizeArrays(x.builder, steps)
    places = a.expand_dims(a.cast(a.arange(steps, start_index), "float64"), 1)
    angles = places * rates.astype(np.float32).astype(np.float64)
    table = a.cast(a.where(np.arange(size) % 2 == 1, a.cos(angles), a.sin(angles)), call.dtype)
    return ops.broadcast_to(table if isinstance(table, Symbol) else call.constant(table, "encoding"), x.shape)


@layer(
    *both("RotaryEmbedding"),
    mask=stops,
    defaults={"max_wavelength": 10000, "scaling_factor": 1.0, "sequence_axis": 1, "feature_axis": -1,
              "rope_type": "linear", "denominator_dim": None},
    builtin=False,
)  # fmt: skip
def rotary_embedding(call: LayerCall, x: Symbol, start_index: Any = 0, positions: Any = None) -> Symbol:
    """Pairs of features, i and i + n/2, turned by an angle that grows with the position."""
    config, name = call.config, call.layer.class_name
    _positions(call, x, start_index, positions)
    config.ignore("beta_fast", "beta_slow", "original_max_position_embeddings", "truncate")
    if config["rope_type"] not in ("linear", "dynamic"):
        call.refuse(f"rope_type={config['rope_type']!r} is not supported; expected 'linear' or 'dynamic'")
    moved = ops.moveaxis(x, (config["feature_axis"], config["sequence_axis"]), (-1, 1))
    steps, size = moved.shape[1], static_dim(name, moved.shape, -1)
    rates = np.float32(config["max_wavelength"]) ** -(
        np.arange(0, size, 2, dtype=np.float32) / np.float32(config["denominator_dim"] or size)
    )
    power = 1 if config["rope_type"] == "linear" else size / max(1, size - 2)
    rates = np.tile(rates / np.float32(config["scaling_factor"]) ** power, 2).astype(np.float64)
    a = SizeArrays(x.builder, steps)
    places = a.reshape(a.cast(a.arange(steps, start_index), "float64"), (steps, *[1] * (moved.rank - 2)))
    angles = places * rates
    cosine, sine = (a.cast(function(angles), call.dtype) for function in (a.cos, a.sin))
    first, second = ops.split(moved, 2, axis=-1)
    turned = ops.concatenate([ops.negative(second), first], axis=-1)
    result = ops.add(ops.multiply(moved, cosine), ops.multiply(turned, sine))
    return ops.moveaxis(result, (-1, 1), (config["feature_axis"], config["sequence_axis"]))


@layer(*both("gelu_approximate"), mask=passes, builtin=False)
def gelu_approximate(call: LayerCall, x: Symbol) -> Symbol:
    """The Gaussian error linear unit, approximated by tanh."""
    return ops.gelu(x, approximate=True)


# -- transformers ----------------------------------------------------------------------------------------------------

BLOCK = {"dropout": 0, "activation": "relu", "layer_norm_epsilon": 1e-5, "normalize_first": False}
ATTENTION = {"value_dim": None, "use_bias": True, "output_shape": None, "attention_axes": None}


@layer(
    *both("CachedMultiHeadAttention"), weights=projections, mask=passes, promotes=True, defaults=ATTENTION,
    builtin=False,
)  # fmt: skip
def cached_attention(
    call: LayerCall, query: Symbol, value: Symbol, key: Symbol | None = None, attention_mask: Symbol | None = None,
    return_attention_scores: bool = False,
) -> Any:  # fmt: skip
    """MultiHeadAttention that does not use the masks of its tensors; without the cache of generation."""
    plain = [None if x is None else call.masks.attach(ops.identity(x), None) for x in (query, value, key)]
    return multi_head_attention(
        call, *plain, attention_mask=attention_mask, return_attention_scores=return_attention_scores
    )


def _attention_weights(name: str) -> WeightNames:
    return (*part_weights(f"{name}_layer", "MultiHeadAttention"), *part_weights(f"{name}_layer_norm", NORM))


NORM = "LayerNormalization"
_DENSE = ("feedforward_intermediate_dense", "feedforward_output_dense")
_DENSE_WEIGHTS = tuple(f"{name}/{weight}" for name in _DENSE for weight in ("kernel", "bias"))
_NORM_WEIGHTS = tuple(f"feedforward_layer_norm/{name}" for name in ("gamma", "beta"))


def _encoder_weights(config: Mapping[str, Any]) -> WeightNames:
    return (*_attention_weights("self_attention"), *_NORM_WEIGHTS, *_DENSE_WEIGHTS)


def _decoder_weights(config: Mapping[str, Any]) -> WeightNames:
    cross = _attention_weights("cross_attention") if config.get("encoder_sequence_shape") else ()
    return (*_attention_weights("self_attention"), *cross, *_DENSE_WEIGHTS, *_NORM_WEIGHTS)


def _joined(call: LayerCall, x: Symbol, padding: Symbol | None, attention: Symbol | None) -> Symbol | None:
    """The mask of an attention to ``x``, from its padding mask, or its own mask, and a given attention mask."""
    padding = call.masks.of(x) if padding is None else padding
    found = [] if padding is None else [ops.expand_dims(ops.cast(padding, "bool"), 1)]
    found += [] if attention is None else [ops.cast(attention, "bool")]
    return found[0] if len(found) == 1 else ops.logical_and(*found) if found else None


def _attended(call: LayerCall, x: Symbol, value: Symbol | None, name: str, allowed: Symbol | None) -> Symbol:
    """``x`` plus its attention to ``value``, or to itself, with layer normalization before or after."""
    norm = part(call, f"{name}_layer_norm", NORM, epsilon=call.config["layer_norm_epsilon"])
    query = norm(x) if call.config["normalize_first"] else x
    mask = call.masks.of(x)
    heads = int(call.config["num_heads"])
    size = static_dim(call.layer.class_name, x.shape, -1) // heads
    class_name = "MultiHeadAttention" if "Encoder" in call.layer.class_name else both("CachedMultiHeadAttention")[0]
    attention = part(
        call, f"{name}_layer", class_name, num_heads=heads, key_dim=size, dropout=call.config["dropout"], **ATTENTION
    )
    y = ops.add(attention(query, query if value is None else value, attention_mask=allowed), x)
    y = y if call.config["normalize_first"] else norm(y)
    return call.masks.attach(y, mask)


def _fed_forward(call: LayerCall, x: Symbol) -> Symbol:
    """``x`` plus two Dense layers of it, with layer normalization before or after."""
    config = call.config
    norm = part(call, "feedforward_layer_norm", NORM, epsilon=config["layer_norm_epsilon"])
    y = norm(x) if config["normalize_first"] else x
    y = part(call, _DENSE[0], "Dense", units=int(config["intermediate_dim"]), activation=config["activation"])(y)
    y = ops.add(part(call, _DENSE[1], "Dense", units=x.shape[-1])(y), x)
    return y if config["normalize_first"] else norm(y)


@layer(*both("TransformerEncoder"), weights=_encoder_weights, mask=passes, defaults=BLOCK, builtin=False)
def transformer_encoder(
    call: LayerCall, x: Symbol, padding_mask: Symbol | None = None, attention_mask: Symbol | None = None
) -> Symbol:
    """Attention of a sequence to itself and two Dense layers, both with residuals and layer normalization."""
    allowed = _joined(call, x, padding_mask, attention_mask)
    return _fed_forward(call, _attended(call, x, None, "self_attention", allowed))


@layer(*both("TransformerDecoder"), weights=_decoder_weights, mask=passes, defaults=BLOCK, builtin=False)
def transformer_decoder(
    call: LayerCall,
    decoder_sequence: Symbol,
    encoder_sequence: Symbol | None = None,
    decoder_padding_mask: Symbol | None = None,
    decoder_attention_mask: Symbol | None = None,
    encoder_padding_mask: Symbol | None = None,
    encoder_attention_mask: Symbol | None = None,
    use_causal_mask: bool = True,
) -> Symbol:
    """As the encoder, by default with a causal mask, and with attention to another sequence between the two parts."""
    call.config.ignore("decoder_sequence_shape", "encoder_sequence_shape")
    x = decoder_sequence
    allowed = _joined(call, x, decoder_padding_mask, decoder_attention_mask)
    if use_causal_mask:
        causal = ops.expand_dims(band(x, x.shape[1], x.shape[1], None, 0), 0)
        allowed = causal if allowed is None else ops.logical_and(allowed, causal)
    x = _attended(call, x, None, "self_attention", allowed)
    if encoder_sequence is not None:
        allowed = _joined(call, encoder_sequence, encoder_padding_mask, encoder_attention_mask)
        x = _attended(call, x, encoder_sequence, "cross_attention", allowed)
    return _fed_forward(call, x)


def _head_weights(config: Mapping[str, Any]) -> WeightNames:
    tied = config.get("token_embedding")
    own = ("bias",) if tied else ("kernel", "bias")
    inner = tuple(f"intermediate_{name}" for name in
                  ("dense/kernel", "dense/bias", "layer_norm/gamma", "layer_norm/beta"))  # fmt: skip
    return (*own, *(sublayer_weights("token_embedding", tied) if tied else ()), *inner)


@layer(
    *both("MaskedLMHead"),
    weights=_head_weights,
    mask=stops,
    defaults={"token_embedding": None, "intermediate_activation": "relu", "activation": "linear",
              "layer_norm_epsilon": 1e-5},
    builtin=False,
)  # fmt: skip
def masked_lm_head(call: LayerCall, x: Symbol, mask_positions: Symbol) -> Symbol:
    """Scores of all tokens at some positions of a sequence."""
    config, tied = call.config, call.config["token_embedding"]
    config.ignore("vocabulary_size")
    x = ops.take_along_axis(x, ops.cast(ops.expand_dims(mask_positions, -1), "int64"), 1)
    size = call.weight("intermediate_dense/kernel", (x.shape[-1], None)).shape[1]  # type: ignore[arg-type]
    x = part(call, "intermediate_dense", "Dense", units=size, activation=config["intermediate_activation"])(x)
    x = part(call, "intermediate_layer_norm", NORM, epsilon=config["layer_norm_epsilon"])(x)
    if tied:
        scores = call.sublayer("token_embedding", tied)(x, reverse=True)
    else:
        scores = ops.matmul(x, call.constant(call.weight("kernel", (size, None)), "kernel"))
    scores = ops.add(scores, call.constant(call.weight("bias", scores.shape[-1:]), "bias"))
    return activation(call, scores, config["activation"])
