"""Categories: CategoryEncoding, Discretization, IntegerLookup, Hashing, HashedCrossing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.hash import CrossHashed, HashBucket
from sofie_jit.ir.types import is_floating, is_integer


def _encoded(call: LayerCall, x: Symbol, depth: int, dtype: str, weights: Symbol | None = None) -> Symbol:
    """Indices of categories ``x`` encoded by ``output_mode``: "int", "one_hot", "multi_hot" or "count".

    The last two combine the categories of a row, or all of them if there is only an axis of the batch, as Keras does.
    """
    mode = call.config["output_mode"]
    if call.config.get("sparse"):
        call.refuse("sparse=True: sparse tensors are not supported; save the model with sparse=False")
    if mode == "int":
        return ops.cast(x, dtype) if is_integer(dtype) else x
    if mode == "one_hot":
        return ops.one_hot(ops.squeeze(x, -1) if x.rank > 1 and x.shape[-1] == 1 else x, depth, dtype=dtype)
    if mode not in ("multi_hot", "binary", "count", "tf_idf", "tf-idf"):
        call.refuse(
            f"output_mode={mode!r} is not supported; expected 'int', 'one_hot', 'multi_hot', 'count' or 'tf_idf'"
        )
    hot, axis = ops.one_hot(x, depth, dtype=dtype), min(x.rank - 1, 1)
    if mode in ("multi_hot", "binary"):
        return ops.max(hot, axis)
    return ops.sum(hot if weights is None else ops.multiply(hot, ops.expand_dims(weights, -1)), axis)


@layer(
    "CategoryEncoding", mask=stops, defaults={"output_mode": "multi_hot"}, renamed={"max_tokens": "num_tokens"},
    refuses="sparse=True",
)  # fmt: skip
def category_encoding(call: LayerCall, x: Symbol, count_weights: Symbol | None = None) -> Symbol:
    """Integers below ``num_tokens`` encoded as "one_hot", "multi_hot" or "count"."""
    return _encoded(call, x, int(call.config["num_tokens"]), call.dtype, count_weights)


@layer(
    "Discretization", mask=stops, defaults={"output_mode": "int", "bin_boundaries": None},
    renamed={"bins": "bin_boundaries"}, refuses="sparse=True",
)  # fmt: skip
def discretization(call: LayerCall, x: Symbol) -> Symbol:
    """The index of the interval between ``bin_boundaries`` that each element lies in."""
    call.config.ignore("num_bins", "epsilon")
    bounds = call.config["bin_boundaries"]
    if bounds is None:
        call.refuse("it has no bin_boundaries, as it was saved before adapt(); save it after")
    dtype = _own_dtype(call, "int64") if call.layer.keras_major < 3 else call.dtype
    return _encoded(call, ops.digitize(x, bounds), len(bounds) + 1, dtype)


# -- IntegerLookup ---------------------------------------------------------------------------------------------------


@layer(
    "IntegerLookup",
    mask=stops,
    defaults={"vocabulary": None, "invert": False, "mask_token": None, "num_oov_indices": 1, "oov_method": "floormod",
              "output_mode": "int", "pad_to_max_tokens": False, "max_tokens": None, "oov_token": -1,
              "idf_weights": None},
    renamed={"mask_value": "mask_token", "oov_value": "oov_token"},
    refuses="in .h5 files, a vocabulary from adapt(), which is not saved; sparse=True",
)  # fmt: skip
def integer_lookup(call: LayerCall, x: Symbol) -> Symbol:
    """The index of each integer in a vocabulary, after those of the mask token and of unknown integers; or the inverse.

    If there are no indices for unknown integers, they make ``infer`` raise OutOfRangeError.
    """
    config, mode = call.config, call.config["output_mode"]
    config.ignore("vocabulary_size", "vocabulary_dtype")
    vocabulary, unknown, mask = config["vocabulary"], int(config["num_oov_indices"]), config["mask_token"]
    if vocabulary is None:
        call.refuse(
            "the file lacks its vocabulary, as .h5 files do if it comes from adapt(); save the model as .keras, or "
            "create the layer with vocabulary=layer.get_vocabulary()"
        )
    if isinstance(vocabulary, str):
        call.refuse(
            f"its vocabulary is in the file {vocabulary!r}, which is not part of the model; create the layer with "
            "vocabulary=layer.get_vocabulary()"
        )
    masked = int(mask is not None and mode == "int")
    first = masked + unknown
    special = [mask] * masked + [config.get("oov_token")] * unknown
    given = list(vocabulary[:first]) == special
    tokens = np.asarray(vocabulary[first:] if given else vocabulary, np.int64)
    if not tokens.size:
        call.refuse("its vocabulary is empty, as it was saved before adapt(); save it after")
    depth = first + len(tokens)
    if config["pad_to_max_tokens"]:
        depth = int(config["max_tokens"])
    config.ignore("max_tokens", "oov_method", "salt", "oov_token")
    x = ops.cast(x, "int64")
    if config["invert"]:
        return _token_at(x, tokens, first, mask, config["oov_token"])
    indices = _index_of(call, x, tokens, unknown, masked)
    encoded = _encoded(call, indices, depth, "int64" if mode == "int" or call.layer.keras_major >= 3 else call.dtype)
    if mode not in ("tf_idf", "tf-idf"):
        config.ignore("idf_weights")
        return encoded
    if config["idf_weights"] is None:
        call.refuse("the file lacks its idf_weights; save the model as .keras")
    weights = np.asarray(config["idf_weights"], call.dtype)
    if not given:  # then it has none for unknown integers
        weights = np.concatenate([np.full(first, np.mean(weights), weights.dtype), weights])
    return ops.multiply(ops.cast(encoded, call.dtype), np.pad(weights, (0, depth - len(weights))))


def _token_at(x: Symbol, tokens: np.ndarray, first: int, mask: int | None, unknown: int) -> Symbol:
    """The token with the index ``x``."""
    index = ops.subtract(x, first)
    inside = ops.logical_and(ops.greater_equal(index, 0), ops.less(index, len(tokens)))
    found = ops.where(inside, ops.take(tokens, ops.clip(index, 0, len(tokens) - 1)), int(unknown))
    return found if mask is None else ops.where(ops.equal(x, 0), int(mask), found)


def _index_of(call: LayerCall, x: Symbol, tokens: np.ndarray, unknown: int, masked: int) -> Symbol:
    """The index of ``x`` in ``[mask] * masked + [unknown] * unknown + tokens``; -1, no category, for another mask."""
    mask = call.config["mask_token"]
    order = np.argsort(tokens)
    position = ops.minimum(ops.searchsorted(tokens[order], x), len(tokens) - 1)
    found = ops.equal(ops.take(tokens[order], position), x)
    index = ops.take(masked + unknown + order, position)
    is_mask = None if mask is None else ops.equal(x, int(mask))
    if unknown > 1 and call.config.get("oov_method", "floormod") == "farmhash":
        other: Any = ops.add(_bucket(x, unknown, call.config.get("salt")), masked)
    elif unknown > 1:
        other = ops.add(ops.mod(x, unknown), masked)
    elif unknown == 1:
        other = masked
    else:  # an index out of range makes infer raise the error
        known = found if is_mask is None else ops.logical_or(found, is_mask)
        other = ops.take(np.zeros(1, np.int64), ops.cast(ops.logical_not(known), "int64"))
    if is_mask is not None:
        other = ops.where(is_mask, 0 if masked else -1, other)
    return ops.where(found, index, other)


# -- hashes ----------------------------------------------------------------------------------------------------------


def _bucket(x: Symbol, buckets: int, salt: Any) -> Symbol:
    """The bucket of each integer by the hash of its digits; with a salt, by the strong hash."""
    key = None if salt is None else (int(salt[0]), int(salt[-1])) if isinstance(salt, Sequence) else (int(salt),) * 2
    return ops.apply(HashBucket(num_buckets=buckets, key=key), x)


@layer(
    "Hashing",
    mask=stops,
    defaults={"mask_value": None, "salt": None, "output_mode": "int"},
    refuses="strings, sparse=True",
)
def hashing(call: LayerCall, x: Symbol) -> Symbol:
    """One of ``num_bins`` categories by the hash of each integer's digits; category 0 is that of ``mask_value``."""
    config, bins = call.config, int(call.config["num_bins"])
    mask = config["mask_value"]
    if x.dtype == "bool":
        call.refuse("it hashes booleans as words; cast them to integers before")
    whole = ops.cast(x, "int64") if is_floating(x.dtype) else x
    masked = mask is not None and bins > 1
    index = _bucket(whole, bins - masked, config["salt"])
    if masked:
        index = ops.where(ops.equal(x, mask), 0, ops.add(index, 1))
    return _encoded(call, index, bins, _own_dtype(call, "int64"))


@layer(
    "HashedCrossing", mask=stops, defaults={"output_mode": "int"}, refuses="strings, more than two inputs, sparse=True"
)
def hashed_crossing(call: LayerCall, inputs: Sequence[Symbol]) -> Symbol:
    """One of ``num_bins`` categories by the combined hash of two integers."""
    if len(inputs) != 2 or not all(is_integer(x.dtype) for x in inputs):
        call.refuse(f"it crosses {', '.join(str(x.type) for x in inputs)}; expected two tensors of integers")
    bins = int(call.config["num_bins"])
    crossed = ops.apply(CrossHashed(num_buckets=bins), *(ops.cast(x, "int64") for x in inputs))
    return _encoded(call, crossed, bins, _own_dtype(call, "int64"))


def _own_dtype(call: LayerCall, default: str) -> str:
    """The element type of a layer that may compute in integers."""
    policy = str(call.config.get("dtype") or default)
    return policy if is_integer(policy) else call.dtype
