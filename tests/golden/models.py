"""The networks of the golden files, written once for Keras 2 and 3 (``keras`` is either), and how they are kept."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent


def mlp(keras: Any) -> Any:
    """Dense layers with batch normalization and dropout, Sequential."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((7,), name="features"),
            layers.Dense(9, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(5, use_bias=False),
            layers.LeakyReLU(),
            layers.Dense(3, activation="softmax"),
        ],
        name="mlp",
    )


def convolutional(keras: Any) -> Any:
    """Convolutions of every kind, pooling and batch normalization, Sequential."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((9, 8, 3), name="image"),
            layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.ZeroPadding2D(((1, 0), (0, 1))),
            layers.SeparableConv2D(5, (2, 3), activation="elu"),
            layers.MaxPooling2D(2, strides=1),
            layers.Flatten(),
            layers.Dense(4, activation="tanh"),
        ],
        name="convolutional",
    )


def recurrent(keras: Any) -> Any:
    """LSTM and bidirectional GRU with the activations old files have."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 4), name="sequence"),
            layers.LSTM(5, return_sequences=True, recurrent_activation="hard_sigmoid"),
            layers.Bidirectional(layers.GRU(3)),
            layers.Dense(2, activation="sigmoid"),
        ],
        name="recurrent",
    )


def functional(keras: Any) -> Any:
    """Two inputs and outputs, a layer and a model called twice, models in models, frozen layers."""
    layers = keras.layers
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    shared = layers.Dense(6, activation="relu", name="shared")
    scale = keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.BatchNormalization()], name="scale")
    x = keras.Input((6,), name="inner_input")
    frozen = layers.Dense(4, name="frozen", trainable=False)
    encoder = keras.Model(x, layers.Add()([layers.Dense(4, name="free")(frozen(x)), scale(x)]), name="encoder")
    left, right = encoder(shared(a)), encoder(shared(shared(b)))
    joined = layers.Concatenate(name="joined")([left, right])
    first = layers.Dense(3, name="first")(joined)
    second = layers.Dense(1, activation="sigmoid", name="second")(layers.Multiply(name="product")([left, right]))
    return keras.Model([a, b], [second, first], name="functional")


MODELS = (mlp, convolutional, recurrent, functional)


def randomize(model: Any, seed: int) -> None:
    """Weights and statistics that nothing can be left out of unnoticed."""
    random = np.random.default_rng(seed)
    model.set_weights(
        [
            random.uniform(0.5, 1.5, w.shape) if "variance" in variable.name else random.normal(0, 0.4, w.shape)
            for variable, w in zip(model.weights, model.get_weights(), strict=True)
        ]
    )


def save_expected(path: Path, inputs: dict[str, np.ndarray], outputs: Any) -> None:
    """``path``.npz with ``input:<name>`` and ``output:<number>``."""
    outputs = outputs if isinstance(outputs, list) else [outputs]
    arrays = {f"input:{name}": value for name, value in inputs.items()}
    arrays.update((f"output:{i}", np.asarray(value)) for i, value in enumerate(outputs))
    np.savez(path.with_suffix(".npz"), **arrays)


def random_inputs(model: Any, seed: int) -> dict[str, np.ndarray]:
    """Four rows for every input."""
    random = np.random.default_rng(seed)
    return {
        tensor.name: random.normal(0, 1, (4, *map(int, tensor.shape[1:]))).astype(np.float32) for tensor in model.inputs
    }


def recompress(path: Path) -> None:
    """Deflates the members of a .keras archive, which Keras stores as they are: HDF5 is mostly zeros."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)


def load_expected(path: Path) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """What :func:`save_expected` wrote."""
    with np.load(path) as arrays:
        inputs = {key.removeprefix("input:"): arrays[key] for key in arrays.files if key.startswith("input:")}
        count = sum(key.startswith("output:") for key in arrays.files)
        return inputs, [arrays[f"output:{i}"] for i in range(count)]
