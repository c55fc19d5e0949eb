"""Graphs and sets of particles, atoms and road crossings."""

from __future__ import annotations

from typing import Any

import numpy as np

from published import functions, published


@published
def message_passing(k: Any) -> Any:
    """Molecules: messages along bonds and a GRU for each atom, 2022."""
    L, f = k.layers, functions(k)
    atoms, bonds = k.Input((6, 4)), k.Input((6, 6, 2))
    state = L.Dense(5)(atoms)
    kernel = L.Reshape((6, 6, 5, 5))(L.Dense(25)(bonds))
    cell = L.TimeDistributed(L.GRU(5))
    for _ in range(2):
        message = f.sum(f.matmul(kernel, f.expand_dims(f.expand_dims(state, 1), -1)), axis=2)[..., 0]
        pair = f.stack([message, state], axis=2)
        state = cell(pair)
    return k.Model([atoms, bonds], L.Dense(1, activation="sigmoid")(f.mean(state, axis=1)))


@published
def graph_attention(k: Any) -> Any:
    """GAT: two heads with LeakyReLU, and an adjacency matrix as the mask, 2018."""
    L, f = k.layers, functions(k)
    x, adjacency = k.Input((7, 4)), k.Input((7, 7))
    heads = []
    for _ in range(2):
        h = L.Dense(3, use_bias=False)(x)
        scores = L.Dense(1)(h) + f.transpose(L.Dense(1)(h), (0, 2, 1))
        scores = L.LeakyReLU(0.2)(scores) + -1e9 * (1.0 - f.cast(adjacency > 0, "float32"))
        heads.append(L.Activation("elu")(f.matmul(L.Dropout(0.6)(L.Softmax()(scores)), h)))
    return k.Model([x, adjacency], L.Dense(3, activation="softmax")(L.Concatenate()(heads)))


@published
def graph_isomorphism(k: Any) -> Any:
    """GIN: sums over neighbors, and sums over the nodes after each layer, 2020."""
    L, f = k.layers, functions(k)
    x, adjacency = k.Input((7, 4)), k.Input((7, 7))
    h, read = x, []
    for _ in range(2):
        h = h * 1.1 + f.matmul(adjacency, h)
        h = L.BatchNormalization()(L.Dense(5, activation="relu")(L.Dense(6, activation="relu")(h)))
        read.append(f.sum(h, axis=1))
    return k.Model([x, adjacency], L.Dense(2, activation="softmax")(L.concatenate(read)))


@published
def grav_net(k: Any) -> Any:
    """Nearest neighbors in a learned space, weighed by their distance, calorimeters 2020."""
    L, f = k.layers, functions(k)
    hits = k.Input((9, 4))
    space, features = L.Dense(2)(hits), L.Dense(5)(hits)
    difference = f.expand_dims(space, 1) - f.expand_dims(space, 2)
    distance = f.sum(f.square(difference), axis=-1)
    nearest, index = f.top_k(-distance, 4)
    one_hot = f.one_hot(index, 9)
    neighbors = f.matmul(one_hot, f.expand_dims(features, 1)) * f.expand_dims(f.exp(10.0 * nearest), -1)
    x = L.concatenate([hits, f.max(neighbors, axis=2), f.mean(neighbors, axis=2)])
    x = L.Dense(6, activation="tanh")(x)
    return k.Model(hits, [L.Dense(2)(x), L.Dense(1, activation="sigmoid")(x)])


@published
def particle_transformer(k: Any) -> Any:
    """Attention with a bias of each pair of particles, and a class token, 2022."""
    L, f = k.layers, functions(k)
    particles, pairs = k.Input((6, 4)), k.Input((6, 6, 3))
    x = L.LayerNormalization(epsilon=1e-5)(L.Dense(8, activation="gelu")(particles))
    bias = f.transpose(L.Conv2D(2, 1)(L.Activation("gelu")(L.BatchNormalization()(pairs))), (0, 3, 1, 2))
    for _ in range(2):
        q, key, value = (
            f.transpose(L.Reshape((6, 2, 4))(L.Dense(8)(L.LayerNormalization()(x))), (0, 2, 1, 3)) for _ in range(3)
        )
        weights = f.softmax(f.matmul(q, f.transpose(key, (0, 1, 3, 2))) / 2.0 + bias, axis=-1)
        y = L.Reshape((6, 8))(f.transpose(f.matmul(weights, value), (0, 2, 1, 3)))
        x = x + L.LayerNormalization()(L.Dense(8)(y))
        x = x + L.Dense(8)(L.LayerNormalization()(L.Dense(16, activation="gelu")(L.LayerNormalization()(x))))
    token = L.Dense(8)(f.mean(x, axis=1, keepdims=True) if hasattr(k, "ops") else f.expand_dims(f.mean(x, axis=1), 1))
    attended = L.MultiHeadAttention(2, 4)(token, f.concatenate([token, x], axis=1))
    return k.Model([particles, pairs], L.Dense(3, activation="softmax")(L.Flatten()(attended)))


@published
def deep_sets(k: Any) -> Any:
    """Sums over the particles that exist, by a mask of Masking, 2019."""
    L = k.layers
    x = inputs = k.Input((8, 3))
    x = L.Masking(0.0)(x)
    for units in (8, 6):
        x = L.TimeDistributed(L.Dense(units, activation="relu"))(x)
    return k.Model(inputs, L.Dense(2, activation="softmax")(L.GlobalAveragePooling1D()(x)))


@published
def tau_identification(k: Any) -> Any:
    """Grids of cells with many features, by convolutions of size 1 and then 3, DeepTau 2019."""
    L = k.layers
    grids, ends = [k.Input((5, 5, 7), name="inner"), k.Input((5, 5, 6), name="outer")], []
    for x in grids:
        for size, padding, filters in ((1, "same", 8), (1, "same", 6), (3, "valid", 6), (3, "valid", 8)):
            x = L.Conv2D(filters, size, padding=padding)(x)
            x = L.SpatialDropout2D(0.2)(L.PReLU(shared_axes=[1, 2])(L.BatchNormalization()(x)))
        ends.append(L.Flatten()(x))
    high = k.Input((9,), name="tau")
    x = L.concatenate([L.PReLU()(L.BatchNormalization()(L.Dense(6)(high))), *ends])
    x = L.AlphaDropout(0.1)(L.PReLU()(L.BatchNormalization()(L.Dense(10)(x))))
    return k.Model([high, *grids], L.Activation("softmax", name="main")(L.Dense(4)(x)))


@published
def real_nvp(k: Any) -> Any:
    """Several couplings with masks, and permutations between them, 2021."""
    L, f = k.layers, functions(k)
    x = inputs = k.Input((6,))
    total = None
    for number in range(3):
        mask = np.array([(i + number) % 2 for i in range(6)], np.float32)
        fixed = x * mask
        scale = L.Dense(6, activation="tanh")(L.Dense(8, activation="relu")(fixed)) * (1 - mask)
        shift = L.Dense(6)(L.Dense(8, activation="relu")(fixed)) * (1 - mask)
        x = (x - shift) * f.exp(-scale) * (1 - mask) + fixed
        total = f.sum(scale, axis=-1) if total is None else total + f.sum(scale, axis=-1)
    density = -0.5 * f.sum(f.square(x), axis=-1) - total - 3 * float(np.log(2 * np.pi))
    return k.Model(inputs, [x, density])


@published
def spline_flow(k: Any) -> Any:
    """Monotonous rational-quadratic splines with bins found by comparisons, 2023."""
    L, f = k.layers, functions(k)
    inputs = k.Input((4,))
    a, b = f.split(inputs, 2, axis=-1)
    b = f.sigmoid(b)
    hidden = L.Dense(8, activation="relu")(a)
    widths, heights = (f.softmax(L.Reshape((2, 5))(L.Dense(10)(hidden)), axis=-1) for _ in range(2))
    slopes = L.Reshape((2, 6))(L.Dense(12, activation="softplus")(hidden))
    left, low = f.cumsum(widths, axis=-1) - widths, f.cumsum(heights, axis=-1) - heights
    inside = f.cast(f.expand_dims(b, -1) >= left, "float32")
    last = inside - f.concatenate([inside[..., 1:], 0.0 * inside[..., :1]], axis=-1)  # 1 in the bin of b

    def at(t: Any) -> Any:
        return f.sum(last * t, axis=-1)

    w, h, d0, d1 = at(widths), at(heights), at(slopes[..., :-1]), at(slopes[..., 1:])
    t, s = (b - at(left)) / w, h / w
    below = s + (d1 + d0 - 2.0 * s) * t * (1.0 - t)
    y = at(low) + h * (s * f.square(t) + d0 * t * (1.0 - t)) / below
    return k.Model(inputs, f.concatenate([a, y], axis=-1))
