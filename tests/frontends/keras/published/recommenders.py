"""Recommenders and click rates: users, items and their features."""

from __future__ import annotations

from typing import Any

from published import VOCABULARY, functions, published


def embedded(k: Any, name: str, size: int, length: int = 1, **options: Any) -> tuple[Any, Any]:
    """An input of categories and its vectors."""
    inputs = k.Input((length,), name=name, dtype="int32")
    return inputs, k.layers.Embedding(VOCABULARY, size, name=f"{name}_vectors", **options)(inputs)


@published
def two_towers(k: Any) -> Any:
    """Cosine of user and item, retrieval 2020."""
    L = k.layers
    inputs, ends = [], []
    for name in ("user", "item"):
        given, x = embedded(k, name, 6)
        inputs.append(given)
        ends.append(L.Dense(4)(L.Dense(8, activation="relu")(L.Flatten()(x))))
    return k.Model(inputs, L.Dot(axes=1, normalize=True)(ends))


@published
def deep_interest(k: Any) -> Any:
    """DIN: the history weighed by a network of itself and the candidate, masked, 2019."""
    L, f = k.layers, functions(k)
    history, h = embedded(k, "history", 4, 6)
    candidate, c = embedded(k, "candidate", 4)
    c = f.broadcast_to(c, f.shape(h)) if not hasattr(k, "ops") else L.concatenate([c] * 6, axis=1)
    x = L.Concatenate()([h, c, L.Subtract()([h, c]), L.Multiply()([h, c])])
    weights = L.Dense(1)(L.Dense(8, activation="sigmoid")(x))
    weights = f.where(f.expand_dims(f.not_equal(history, 0), -1), weights, -1e9)
    interest = f.sum(h * f.softmax(weights, axis=1), axis=1)
    x = L.Concatenate()([interest, c[:, 0]])
    return k.Model([history, candidate], L.Dense(1, activation="sigmoid")(L.PReLU()(L.Dense(6)(x))))


@published
def autorec(k: Any) -> Any:
    """An autoencoder of ratings, 2017."""
    L = k.layers
    ratings = k.Input((20,))
    x = L.Dropout(0.5)(L.Dense(6, activation="sigmoid", kernel_regularizer="l2")(ratings))
    return k.Model(ratings, L.Dense(20, activation="linear")(x))


@published
def gru4rec(k: Any) -> Any:
    """Sessions of clicks through two GRUs, 2018."""
    L = k.layers
    clicks, x = embedded(k, "clicks", 5, 8, mask_zero=True)
    x = L.GRU(6, return_sequences=True, dropout=0.2, recurrent_dropout=0.0)(x)
    return k.Model(clicks, L.Dense(VOCABULARY, activation="softmax")(L.GRU(5)(x)))


@published
def sas_rec(k: Any) -> Any:
    """Self-attention that sees earlier items only, scores by the table of items, 2022."""
    L, f = k.layers, functions(k)
    items = k.Input((7,), dtype="int32")
    table = L.Embedding(VOCABULARY, 8, name="items")
    x = table(items) * 8**0.5 + L.Embedding(7, 8)(f.range(7) if not hasattr(k, "ops") else f.arange(7))
    there = f.cast(f.expand_dims(f.not_equal(items, 0), -1), "float32")
    x = x * there
    for _ in range(2):
        query = L.LayerNormalization(epsilon=1e-8)(x)
        x = query + L.MultiHeadAttention(2, 4)(query, x, use_causal_mask=True)
        y = L.LayerNormalization(epsilon=1e-8)(x)
        x = (x + L.Conv1D(8, 1)(L.Conv1D(8, 1, activation="relu")(y))) * there
    candidates = k.Input((3,), dtype="int32")
    last = L.LayerNormalization(epsilon=1e-8)(x)[:, -1:]
    return k.Model([items, candidates], f.sum(last * table(candidates), axis=-1))


@published
def triplets(k: Any) -> Any:
    """Bayesian personal ranking: one table for the liked and the other item, 2016."""
    L = k.layers
    user, u = embedded(k, "user", 5)
    positive, negative = (k.Input((1,), name=name) for name in ("positive", "negative"))
    items = L.Embedding(VOCABULARY, 5)
    scores = [L.Dot(axes=-1)([L.Flatten()(u), L.Flatten()(items(item))]) for item in (positive, negative)]
    return k.Model([user, positive, negative], L.Activation("sigmoid")(L.Subtract()(scores)))


@published
def x_deep_fm(k: Any) -> Any:
    """Compressed interactions: outer products of fields and convolutions of size 1, 2019."""
    L, f = k.layers, functions(k)
    fields = k.Input((5,), dtype="int32")
    x0 = x = L.Embedding(VOCABULARY, 4, embeddings_regularizer="l2")(fields)
    pooled = []
    for maps in (6, 4):
        outer = f.transpose(f.expand_dims(x, 2) * f.expand_dims(x0, 1), (0, 3, 1, 2))
        flat = L.Reshape((4, int(x.shape[1]) * 5))(outer)
        x = f.transpose(L.Conv1D(maps, 1, activation="relu")(flat), (0, 2, 1))
        pooled.append(f.sum(x, axis=-1))
    deep = L.Dense(6, activation="relu")(L.Flatten()(x0))
    return k.Model(fields, L.Dense(1, activation="sigmoid")(L.concatenate([*pooled, deep])))


@published
def attentional_fm(k: Any) -> Any:
    """Products of all pairs of fields, weighed by attention, 2019."""
    L, f = k.layers, functions(k)
    inputs, vectors = zip(*(embedded(k, f"field{i}", 4) for i in range(4)), strict=True)
    pairs = [L.multiply([vectors[i], vectors[j]]) for i in range(4) for j in range(i)]
    x = L.concatenate(pairs, axis=1)
    weights = L.Softmax(axis=1)(L.Dense(1, use_bias=False)(L.Dense(4, activation="relu")(x)))
    return k.Model(list(inputs), L.Dense(1, activation="sigmoid")(f.sum(weights * x, axis=1)))


@published
def dlrm(k: Any) -> Any:
    """Numbers and categories, and the products of every two vectors, 2020."""
    L, f = k.layers, functions(k)
    numbers = k.Input((6,), name="numbers")
    inputs, vectors = zip(*(embedded(k, f"c{i}", 4) for i in range(3)), strict=True)
    dense = L.Dense(4, activation="relu")(L.Dense(8, activation="relu")(numbers))
    x = L.Concatenate(axis=1)([L.Reshape((1, 4))(dense), *vectors])
    products = f.matmul(x, f.transpose(x, (0, 2, 1)))
    lower = [i * 4 + j for i in range(4) for j in range(i)]
    flat = L.Reshape((16,))(products)
    picked = f.take(flat, lower, axis=1) if hasattr(k, "ops") else f.gather(flat, lower, axis=1)
    return k.Model([numbers, *inputs], L.Dense(1, activation="sigmoid")(L.concatenate([dense, picked])))


@published
def mixture_of_experts(k: Any) -> Any:
    """MMoE: experts that every task mixes by a gate of its own, 2021."""
    L, f = k.layers, functions(k)
    inputs = k.Input((9,))
    experts = f.stack([L.Dense(5, activation="relu")(inputs) for _ in range(3)], axis=1)
    outputs = []
    for task in range(2):
        gate = L.Dense(3, activation="softmax", use_bias=False)(inputs)
        mixed = f.sum(experts * f.expand_dims(gate, -1), axis=1)
        outputs.append(L.Dense(1, activation="sigmoid", name=f"task{task}")(L.Dense(4, activation="relu")(mixed)))
    return k.Model(inputs, outputs)
