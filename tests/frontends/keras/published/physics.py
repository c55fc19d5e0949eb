"""Particle physics: taggers, regressions, anomalies, graphs."""

from __future__ import annotations

from typing import Any

from published import functions, published


@published
def higgs(k: Any) -> Any:
    """Signal or background from 28 features, 2016."""
    L = k.layers
    model = k.Sequential([k.Input((28,))])
    for _ in range(4):
        model.add(L.Dense(12, activation="tanh", kernel_initializer="random_normal"))
    model.add(L.Dense(1, activation="sigmoid"))
    return model


@published
def jet_tagger(k: Any) -> Any:
    """The network of 16 features and five classes with regularized layers, 2018."""
    L = k.layers
    x = inputs = k.Input((16,), name="fc1_input")
    for number, units in enumerate((32, 16, 16), 1):
        x = L.Dense(units, kernel_initializer="lecun_uniform", kernel_regularizer="l1", name=f"fc{number}")(x)
        x = L.Activation("relu", name=f"fc{number}_relu")(x)
    return k.Model(inputs, L.Dense(5, activation="softmax", name="output_softmax")(x))


@published
def deep_jet(k: Any) -> Any:
    """Candidates through convolutions of size 1 and an LSTM backwards, 2018."""
    L = k.layers
    inputs = [k.Input((5,), name="global"), k.Input((8, 6), name="charged"), k.Input((4, 7), name="vertices")]
    parts = [L.BatchNormalization(momentum=0.3)(inputs[0])]
    for x in inputs[1:]:
        for filters in (8, 4):
            x = L.Dropout(0.1)(L.Conv1D(filters, 1, kernel_initializer="lecun_uniform", activation="relu")(x))
        x = L.LSTM(6, go_backwards=True, implementation=2)(L.BatchNormalization(momentum=0.3)(x))
        parts.append(L.Dropout(0.1)(x))
    x = L.Concatenate()(parts)
    for units in (12, 8):
        x = L.Dropout(0.1)(L.BatchNormalization()(L.Dense(units, activation="relu")(x)))
    return k.Model(inputs, [L.Dense(6, activation="softmax", name="ID_pred")(x), L.Dense(1, name="regression")(x)])


@published
def top_images(k: Any) -> Any:
    """Jets as images, 2017."""
    L = k.layers
    return k.Sequential([
        k.Input((20, 20, 1)), L.ZeroPadding2D(1), L.Conv2D(6, 4, activation="relu"), L.MaxPooling2D(2),
        L.Conv2D(6, 4, activation="relu", padding="same"), L.Conv2D(6, 4, padding="same"), L.PReLU(), L.MaxPooling2D(2),
        L.Flatten(), L.Dense(12, activation="relu"), L.Dense(2, activation="softmax"),
    ])  # fmt: skip


@published
def track_rnn(k: Any) -> Any:
    """Tracks of variable number, masked, 2017."""
    L = k.layers
    tracks = k.Input((9, 4))
    x = L.TimeDistributed(L.Dense(6, activation="relu"))(L.Masking(mask_value=0)(tracks))
    return k.Model(tracks, L.Dense(4, activation="softmax")(L.Dropout(0.2)(L.LSTM(6)(x))))


@published
def particle_flow_network(k: Any) -> Any:
    """The sum over particles of a network of each, 2019."""
    L, f = k.layers, functions(k)
    inputs = k.Input((10, 4))
    mask = f.cast(f.not_equal(inputs[:, :, 0], 0.0), "float32")
    x = inputs
    for units in (8, 6):
        x = L.Activation("relu")(L.TimeDistributed(L.Dense(units))(x))
    x = L.Dot(axes=1)([mask, x])
    return k.Model(inputs, L.Activation("softmax")(L.Dense(2)(L.Dense(8, activation="relu")(x))))


@published
def energy_flow_network(k: Any) -> Any:
    """Energies as weights of networks of the angles, 2019."""
    L = k.layers
    z, angles = k.Input((10,), name="zs_input"), k.Input((10, 2), name="phats_input")
    x = L.TimeDistributed(L.Dense(6, activation="relu"))(L.TimeDistributed(L.Dense(8, activation="relu"))(angles))
    x = L.Dot(axes=1)([z, x])
    return k.Model([z, angles], L.Dense(2, activation="softmax")(L.Dense(8, activation="relu")(x)))


@published
def interaction_network(k: Any) -> Any:
    """Senders and receivers by products with matrices of a complete graph, 2020."""
    import numpy as np

    L, f = k.layers, functions(k)
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    receive, send = (np.eye(5, dtype=np.float32)[[pair[end] for pair in pairs]] for end in (0, 1))
    inputs = k.Input((5, 3))
    edges = f.concatenate([f.matmul(receive, inputs), f.matmul(send, inputs)], axis=-1)
    effects = L.Dense(4, activation="relu")(L.Dense(8, activation="relu")(edges))
    x = f.concatenate([inputs, f.matmul(receive.T.copy(), effects)], axis=-1)
    return k.Model(inputs, L.Dense(2)(f.sum(L.Dense(6, activation="relu")(x), axis=1)))


@published
def graph_convolution(k: Any) -> Any:
    """An adjacency matrix as an input, 2020."""
    L = k.layers
    x, adjacency = k.Input((6, 3)), k.Input((6, 6))
    y = x
    for units in (8, 4):
        y = L.Activation("relu")(L.Dot(axes=(2, 1))([adjacency, L.Dense(units, use_bias=False)(y)]))
    return k.Model([x, adjacency], L.Dense(2, activation="softmax")(L.GlobalMaxPooling1D()(y)))


@published
def point_net(k: Any) -> Any:
    """Points turned by a learned matrix, Keras's example 2020."""
    L = k.layers

    def conv(x: Any, filters: int) -> Any:
        return L.Activation("relu")(L.BatchNormalization(momentum=0.0)(L.Conv1D(filters, 1, padding="valid")(x)))

    inputs = k.Input((12, 3))
    turn = L.Dense(9)(L.Dense(6, activation="relu")(L.GlobalMaxPooling1D()(conv(inputs, 8))))
    x = L.Dot(axes=(2, 1))([inputs, L.Reshape((3, 3))(turn)])
    return k.Model(inputs, L.Dense(4, activation="softmax")(L.GlobalMaxPooling1D()(conv(x, 10))))


@published
def particle_net(k: Any) -> Any:
    """EdgeConv with neighbors known beforehand, as one-hot rows, 2021."""
    L, f = k.layers, functions(k)
    features, neighbors = k.Input((8, 4)), k.Input((8, 3, 8))
    near = f.matmul(neighbors, f.expand_dims(features, 1))
    center = f.expand_dims(features, 2)
    edges = L.Concatenate()([near - center, near])
    x = L.Activation("relu")(L.BatchNormalization()(L.Conv2D(6, 1, use_bias=False)(edges)))
    shortcut = L.BatchNormalization()(L.Conv1D(6, 1, use_bias=False)(features))
    x = L.Activation("relu")(f.mean(x, axis=2) + shortcut)
    return k.Model([features, neighbors], L.Dense(2, activation="softmax")(f.mean(x, axis=1)))


@published
def calorimeter_regression(k: Any) -> Any:
    """Layers of a calorimeter as images, and the energy, 2018."""
    L = k.layers
    inputs = [k.Input((3, 16, 1)), k.Input((12, 12, 1)), k.Input((1,))]
    parts = []
    for x in inputs[:2]:
        x = L.LeakyReLU(0.1)(L.LocallyConnected2D(4, (2, 2))(x)) if not hasattr(k, "ops") else L.Conv2D(4, 2)(x)
        parts.append(L.Flatten()(L.AveragePooling2D((2, 2))(x)))
    x = L.Dense(8, activation="relu")(L.concatenate(parts))
    return k.Model(inputs, L.multiply([L.Dense(1, activation="sigmoid")(x), inputs[2]]))


@published
def anomaly_autoencoder(k: Any) -> Any:
    """The 40 MHz challenge: a small autoencoder of 57 numbers, 2021."""
    L = k.layers
    x = inputs = k.Input((57,))
    x = L.BatchNormalization()(x)
    for units in (16, 8, 3, 8, 16):
        x = L.LeakyReLU(0.3)(L.BatchNormalization()(L.Dense(units, use_bias=False)(x)))
    return k.Model(inputs, L.Dense(57)(x))


@published
def normalizing_flow_step(k: Any) -> Any:
    """An affine coupling: scale and shift of half of the features, 2022."""
    L, f = k.layers, functions(k)
    inputs = k.Input((6,))
    a, b = f.split(inputs, 2, axis=-1)
    hidden = L.Dense(8, activation="relu")(a)
    scale, shift = L.Dense(3, activation="tanh")(hidden), L.Dense(3)(hidden)
    return k.Model(inputs, [f.concatenate([a, b * f.exp(scale) + shift], axis=-1), f.sum(scale, axis=-1)])


@published
def mass_decorrelated(k: Any) -> Any:
    """A classifier and its adversary that sees the classifier's output, 2019."""
    L = k.layers
    inputs = k.Input((7,))
    classifier = k.Sequential(
        [k.Input((7,)), L.Dense(8, activation="relu"), L.Dense(1, activation="sigmoid")], name="c"
    )
    adversary = k.Sequential([k.Input((1,)), L.Dense(6, activation="relu"), L.Dense(5, activation="softmax")], name="a")
    y = classifier(inputs)
    return k.Model(inputs, [y, adversary(y)])
