"""The benchmark networks, built by Keras with fixed seeds: {name: Benchmark}."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers


@dataclass(frozen=True)
class Benchmark:
    """A network and the batch sizes for which it is timed."""

    build: Callable[[], Any]
    batches: tuple[int, ...]

    def model(self) -> Any:
        keras.utils.set_random_seed(0)
        return self.build()


def mlp(inputs: int, hidden: tuple[int, ...], outputs: int, activation: str) -> Any:
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            *(layers.Dense(units, activation="relu") for units in hidden),
            layers.Dense(outputs, activation=activation),
        ]
    )


def mnist_cnn() -> Any:
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def recurrent(layer: type) -> Any:
    return keras.Sequential([keras.Input((32, 16)), layer(64), layers.Dense(1)])


def transformer() -> Any:
    """One post-norm encoder block over 64 tokens of 128 features."""
    x = inputs = keras.Input((64, 128))
    x = layers.LayerNormalization()(layers.Add()([x, layers.MultiHeadAttention(4, 32)(x, x)]))
    y = layers.Dense(128)(layers.Dense(512, activation="gelu")(x))
    return keras.Model(inputs, layers.LayerNormalization()(layers.Add()([x, y])))


def application(name: str) -> Any:
    """Return a network of keras.applications with random weights and realistic batch-normalization statistics.

    With the initial means of 0 and variances of 1, the output of MobileNetV2 does not depend on the image.
    """
    model = getattr(keras.applications, name)(weights=None)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0  # one training call then sets the statistics to those of its batch
    images = np.random.default_rng(0).normal(size=(4, *model.input_shape[1:])).astype(np.float32)
    model(images, training=True)
    return model


BENCHMARKS = {
    "jet MLP": Benchmark(lambda: mlp(16, (64, 32, 32), 5, "softmax"), (1, 8, 32, 256, 1024)),
    "Higgs MLP": Benchmark(lambda: mlp(28, (300,) * 5, 1, "sigmoid"), (1, 8, 32, 256, 1024)),
    "MNIST CNN": Benchmark(mnist_cnn, (1, 8, 32, 256)),
    "LSTM": Benchmark(lambda: recurrent(layers.LSTM), (1, 8, 32, 256)),
    "GRU": Benchmark(lambda: recurrent(layers.GRU), (1, 8, 32, 256)),
    "transformer": Benchmark(transformer, (1, 4, 16)),
    "MobileNetV2": Benchmark(lambda: application("MobileNetV2"), (1,)),
    "ResNet50": Benchmark(lambda: application("ResNet50"), (1,)),
}
