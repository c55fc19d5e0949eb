"""Measure what sizes that are known only at run time cost: models with open and with fixed sizes take turns.

    python benchmarks/open_sizes.py
    python benchmarks/open_sizes.py --models U-Net,transformer --batch 1,8

Each network leaves all sizes of its input open except the number of features. It is compared with the same model
specialized for the size that is timed. One pinned thread. The results must have the same bits. The table shows
microseconds per call with fixed and with open sizes, as medians and minima, and the ratio; the last line has the
geometric means.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import summary

import sofie_jit
from sofie_jit.bench import environment
from sofie_jit.bench.report import microseconds
from sofie_jit.report.timing import round_robin, sample_of


@dataclass(frozen=True)
class Network:
    """A network with open sizes, and the shape of a row of the input for which it is timed."""

    build: Callable[[Any, Any], Any]
    """``(keras, input) -> output``"""
    shape: tuple[int, ...]


def unet(keras: Any, x: Any) -> Any:
    """Two levels, with 16 and 32 filters."""
    layers, skips = keras.layers, []
    for filters in (16, 32):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    for filters, skip in zip((32, 16), reversed(skips), strict=True):
        x = layers.Concatenate()([layers.Conv2DTranspose(filters, 2, strides=2)(x), skip])
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    return layers.Conv2D(1, 1, activation="sigmoid")(x)


def mobilenet(keras: Any, x: Any) -> Any:
    """MobileNetV2 of a third of the width."""
    options = {"alpha": 0.35, "include_top": False, "weights": None, "pooling": "avg"}
    return keras.applications.MobileNetV2(input_tensor=x, **options).output


def convnext(keras: Any, x: Any) -> Any:
    """Two stages of two blocks, with 32 and 64 channels."""
    layers = keras.layers
    for channels, patch in ((32, 4), (64, 2)):
        x = layers.Conv2D(channels, patch, strides=patch)(x)
        for _ in range(2):
            y = layers.LayerNormalization()(layers.DepthwiseConv2D(7, padding="same")(x))
            x = layers.Add()([x, layers.Dense(channels)(layers.Dense(4 * channels, activation="gelu")(y))])
    return layers.Dense(10)(layers.GlobalAveragePooling2D()(x))


def sequence(keras: Any, x: Any) -> Any:
    """A convolution over time, and an LSTM."""
    x = keras.layers.Conv1D(32, 3, padding="same", activation="relu")(x)
    return keras.layers.Dense(5)(keras.layers.LSTM(64)(x))


def deep_set(keras: Any, x: Any) -> Any:
    """Layers of each particle, and of their sum."""
    layers = keras.layers
    for _ in range(2):
        x = layers.Dense(64, activation="relu")(x)
    return layers.Dense(5, activation="softmax")(layers.Dense(32, activation="relu")(keras.ops.sum(x, axis=1)))


def particle_net(keras: Any, x: Any) -> Any:
    """Two layers over the four nearest neighbors of each particle."""
    ops, layers = keras.ops, keras.layers
    for features in (32, 64):
        squares = ops.sum(x * x, axis=-1, keepdims=True)
        distances = squares - 2 * ops.matmul(x, ops.transpose(x, (0, 2, 1))) + ops.transpose(squares, (0, 2, 1))
        nearest = ops.top_k(-distances, 4)[1]
        edge, edges = layers.Dense(features, activation="relu"), []
        for index in range(4):
            places = ops.repeat(nearest[:, :, index : index + 1], x.shape[-1], axis=-1)
            edges.append(edge(ops.concatenate([x, ops.take_along_axis(x, places, axis=1) - x], axis=-1)))
        x = layers.Maximum()(edges)
    return layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling1D()(x))


def transformer(keras: Any, x: Any) -> Any:
    """One encoder block."""
    layers = keras.layers
    x = layers.Dense(64)(x)
    x = layers.LayerNormalization()(layers.Add()([x, layers.MultiHeadAttention(4, 16)(x, x)]))
    y = layers.Dense(64)(layers.Dense(256, activation="gelu")(x))
    return layers.LayerNormalization()(layers.Add()([x, y]))


NETWORKS = {
    "U-Net": Network(unet, (64, 64, 1)),
    "MobileNetV2": Network(mobilenet, (96, 96, 3)),
    "ConvNeXt": Network(convnext, (64, 64, 3)),
    "LSTM": Network(sequence, (50, 16)),
    "DeepSet": Network(deep_set, (60, 8)),
    "ParticleNet": Network(particle_net, (40, 8)),
    "transformer": Network(transformer, (50, 16)),
}


def save(network: Network, path: Path) -> None:
    """Write the network as a file of Keras."""
    import keras

    keras.utils.set_random_seed(0)
    x = keras.Input((*(None,) * (len(network.shape) - 1), network.shape[-1]))
    keras.Model(x, network.build(keras, x)).save(path)


def ratios(name: str, file: Path, batch: int, rounds: int) -> tuple[list[str], tuple[float, ...]]:
    """Measure one network; its line of the table, and the ratios of the medians and of the minima."""
    shape = NETWORKS[name].shape
    opened = sofie_jit.load(file, threads=1)
    models = {"fixed": opened.specialize((None, *shape)), "open": opened}
    x = np.random.default_rng(0).normal(size=(batch, *shape)).astype(np.float32)
    if not np.array_equal(*(model.infer(x) for model in models.values())):
        sys.exit(f"{name}: the results with open and with fixed sizes differ")
    measured = round_robin({key: sample_of(model.infer, x) for key, model in models.items()}, rounds=rounds)
    times = {key: (statistics.median(seconds), min(seconds)) for key, seconds in measured.items()}
    costs = tuple(opened / fixed for fixed, opened in zip(times["fixed"], times["open"], strict=True))
    cells = [" / ".join(map(microseconds, times[key])) for key in ("fixed", "open")]
    return [f"{name}, {batch}", *cells, " / ".join(f"{cost:.2f}" for cost in costs)], costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", metavar="NAME,...", default=",".join(NETWORKS), help=", ".join(NETWORKS))
    parser.add_argument("--batch", default="1", help="comma-separated rows per call (default 1)")
    parser.add_argument("--rounds", type=int, default=20, help="number of turns (default 20)")
    args = parser.parse_args()
    names = args.models.split(",")
    if unknown := sorted(set(names) - NETWORKS.keys()):
        sys.exit(f"unknown networks {', '.join(unknown)}; there are {', '.join(NETWORKS)}")
    os.environ.update(environment.variables(1))
    environment.pin(1)
    lines, costs = [], []
    with tempfile.TemporaryDirectory() as directory:
        for name in names:
            file = Path(directory) / f"{name}.keras"
            save(NETWORKS[name], file)
            for batch in map(int, args.batch.split(",")):
                line, cost = ratios(name, file, batch, args.rounds)
                lines.append(line)
                costs.append(cost)
    means = " / ".join(f"{statistics.geometric_mean(column):.2f}" for column in zip(*costs, strict=True))
    lines.append(["geometric mean", "", "", means])
    print(summary.markdown(["model, batch", "fixed, us", "open, us", "ratio"], lines))


if __name__ == "__main__":
    main()
