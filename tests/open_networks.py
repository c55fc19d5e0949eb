"""Networks of every kind with all sizes open, and the sizes that they take, for tests of run-time sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from tolerance import randomize

layers, ops = keras.layers, keras.ops


class OpenNetwork(NamedTuple):
    """A network and its sizes."""

    make: Callable[[], Any]
    shapes: Callable[[list[int]], list[tuple[int, ...]]]
    """The shapes of the inputs, without the batch, for free sizes that count from 0."""
    free: int
    """The number of free sizes."""
    largest: int = 12
    """The largest free size of random inputs."""

    def inputs(self, batch: int, sizes: list[int], seed: int = 0) -> list[np.ndarray]:
        """Random inputs."""
        rng = np.random.default_rng(seed)
        return [rng.standard_normal((batch, *shape)).astype(np.float32) for shape in self.shapes(sizes)]

    def random_sizes(self, count: int, seed: int = 0) -> list[list[int]]:
        """``count`` choices of the free sizes, the smallest first."""
        rng = np.random.default_rng(seed)
        return [[0] * self.free, *rng.integers(0, self.largest + 1, (count - 1, self.free)).tolist()]


def _conv(x: Any, channels: int) -> Any:
    x = layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def unet() -> Any:
    """Three levels, skip connections, transposed convolutions."""
    image = keras.Input((None, None, 2))
    first = _conv(_conv(image, 4), 4)
    second = _conv(layers.MaxPooling2D()(first), 8)
    x = _conv(layers.MaxPooling2D()(second), 16)
    x = _conv(layers.Concatenate()([layers.Conv2DTranspose(8, 2, strides=2)(x), second]), 8)
    x = _conv(layers.Concatenate()([layers.UpSampling2D(interpolation="bilinear")(x), first]), 4)
    return keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x))


def mobile_net() -> Any:
    """Inverted residuals, as in MobileNetV2."""
    image = keras.Input((None, None, 3))
    x = layers.ReLU(6.0)(layers.Conv2D(8, 3, strides=2, padding="same")(image))
    for channels, stride in ((8, 1), (12, 2), (12, 1)):
        y = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(24, 1, use_bias=False)(x)))
        y = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(y)
        y = layers.Conv2D(channels, 1)(layers.ReLU(6.0)(layers.BatchNormalization()(y)))
        x = layers.Add()([x, y]) if stride == 1 and x.shape[-1] == channels else y
    return keras.Model(image, layers.Dense(4, "softmax")(layers.GlobalAveragePooling2D()(x)))


def conv_next() -> Any:
    """Patches, depthwise 7 x 7 convolutions, normalization of channels."""
    image = keras.Input((None, None, 3))
    x = layers.LayerNormalization()(layers.Conv2D(8, 4, strides=4)(image))
    for channels in (8, 16):
        if channels != x.shape[-1]:
            x = layers.Conv2D(channels, 2, strides=2)(layers.LayerNormalization()(x))
        y = layers.LayerNormalization()(layers.DepthwiseConv2D(7, padding="same")(x))
        x = layers.Add()([x, layers.Dense(channels)(layers.Dense(4 * channels, "gelu")(y))])
    return keras.Model(image, layers.Dense(3)(layers.LayerNormalization()(layers.GlobalAveragePooling2D()(x))))


def recurrent() -> Any:
    """Convolutions of a sequence before and after recurrent layers."""
    x = keras.Input((None, 4))
    y = layers.Conv1D(6, 3, padding="same", activation="relu")(x)
    y = layers.Bidirectional(layers.LSTM(5, return_sequences=True))(y)
    y = layers.Conv1D(6, 2, strides=2, padding="same")(y)
    return keras.Model(x, layers.Dense(2)(layers.GRU(4)(y)))


def deep_set() -> Any:
    """Sums over particles."""
    x = keras.Input((None, 4))
    y = layers.Dense(8, "relu")(layers.Dense(16, "relu")(x))
    pooled = layers.Concatenate()([ops.sum(y, axis=1), ops.mean(y, axis=1), ops.max(y, axis=1)])
    return keras.Model(x, layers.Dense(3, "softmax")(layers.Dense(8, "relu")(pooled)))


def _edge_conv(points: Any, features: Any, neighbors: int, channels: int) -> Any:
    differences = ops.expand_dims(points, 2) - ops.expand_dims(points, 1)
    distances = ops.sum(differences * differences, axis=-1)
    _, nearest = ops.top_k(-distances, neighbors)
    size = features.shape[-1]
    picked = ops.take_along_axis(features, layers.Reshape((-1, 1))(nearest), axis=1)
    others = layers.Reshape((-1, neighbors, size))(picked)
    center = ops.expand_dims(features, 2)
    edges = layers.Concatenate()([others - center, others])
    return layers.ReLU()(ops.mean(layers.Dense(channels, "relu")(edges), axis=2) + layers.Dense(channels)(features))


def particle_net() -> Any:
    """Convolutions over the nearest neighbors of each particle."""
    points, features = keras.Input((None, 2)), keras.Input((None, 4))
    x = _edge_conv(points, features, 3, 8)
    x = _edge_conv(x, x, 2, 8)
    return keras.Model([points, features], layers.Dense(2, "softmax")(layers.GlobalAveragePooling1D()(x)))


def transformer() -> Any:
    """Self-attention, causal and not."""
    x = keras.Input((None, 5))
    y = layers.Dense(8)(x)
    for causal in (True, False):
        attended = layers.MultiHeadAttention(2, 4)(y, y, use_causal_mask=causal)
        y = layers.LayerNormalization()(layers.Add()([y, attended]))
        y = layers.LayerNormalization()(layers.Add()([y, layers.Dense(8)(layers.Dense(16, "gelu")(y))]))
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(y)))


def _image(multiple: int, channels: int, least: int = 1) -> Callable[[list[int]], list[tuple[int, ...]]]:
    return lambda sizes: [(*((least + size) * multiple for size in sizes), channels)]


NETWORKS = {
    "unet": OpenNetwork(unet, _image(4, 2), 2),
    "mobile_net": OpenNetwork(mobile_net, _image(1, 3), 2, 40),
    "conv_next": OpenNetwork(conv_next, _image(1, 3, least=8), 2, 40),
    "recurrent": OpenNetwork(recurrent, _image(1, 4), 1, 40),
    "deep_set": OpenNetwork(deep_set, _image(1, 4), 1, 60),
    "particle_net": OpenNetwork(particle_net, lambda sizes: [(sizes[0] + 3, 2), (sizes[0] + 3, 4)], 1, 40),
    "transformer": OpenNetwork(transformer, _image(1, 5), 1, 40),
}
"""By name."""


def made(name: str) -> Any:
    """A network with random weights."""
    keras.utils.set_random_seed(0)
    return randomize(NETWORKS[name].make())
