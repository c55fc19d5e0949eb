"""Layers that Keras dropped: those of Keras 1 in files made by hand, against the definitions of its last version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import sofie_jit
from tolerance import ABSOLUTE, distance

Arrays = dict[str, np.ndarray]


def keras_1_file(path: Path, class_name: str, config: dict[str, Any], weights: Arrays, size: int) -> Path:
    """A Sequential model of one layer, as Keras 1.2.2 saves it."""
    name = class_name.lower()
    config = {"name": name, "trainable": True, "batch_input_shape": [None, size], "input_dtype": "float32", **config}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"1.2.2"
        file.attrs["model_config"] = json.dumps(
            {"class_name": "Sequential", "config": [{"class_name": class_name, "config": config}]}
        )
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode()]
        layer = group.create_group(name)
        layer.attrs["weight_names"] = [f"{name}_{weight}".encode() for weight in weights]
        for weight, values in weights.items():
            layer[f"{name}_{weight}"] = values
    return path


def random(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def highway(x: np.ndarray, w: Arrays) -> np.ndarray:
    gate = sigmoid(x @ w["W_carry"] + w.get("b_carry", 0))
    return gate * np.tanh(x @ w["W"] + w.get("b", 0)) + (1 - gate) * x


def maxout(x: np.ndarray, w: Arrays) -> np.ndarray:
    return (np.einsum("bi,kio->bko", x, w["W"]) + w["b"]).max(1)


def parametric_softplus(x: np.ndarray, w: Arrays) -> np.ndarray:
    return w["alphas"] * np.log1p(np.exp(w["betas"] * x))


def s_relu(x: np.ndarray, w: Arrays) -> np.ndarray:
    left, right = w["t_left"], w["t_left"] + np.abs(w["t_right"])
    middle = np.where(x < left, left + w["a_left"] * (x - left), np.minimum(x, right))
    return middle + w["a_right"] * np.maximum(x - right, 0)


SQUARE, VECTOR = (5, 5), (5,)
CASES: dict[str, Any] = {
    "Highway": ({"activation": "tanh", "bias": True, "input_dim": 5, "transform_bias": -2},
                {"W": SQUARE, "W_carry": SQUARE, "b": VECTOR, "b_carry": VECTOR}, highway),
    "Highway without bias": ({"activation": "tanh", "bias": False}, {"W": SQUARE, "W_carry": SQUARE}, highway),
    "MaxoutDense": ({"output_dim": 3, "nb_feature": 4, "bias": True, "input_dim": 5},
                    {"W": (4, 5, 3), "b": (4, 3)}, maxout),
    "ParametricSoftplus": ({"alpha_init": 0.2, "beta_init": 5.0}, {"alphas": VECTOR, "betas": VECTOR},
                           parametric_softplus),
    "SReLU": ({"t_left_init": "zero", "a_left_init": "glorot_uniform", "shared_axes": None},
              {"t_left": VECTOR, "a_left": VECTOR, "t_right": VECTOR, "a_right": VECTOR}, s_relu),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_layers_of_keras_1(name: str, tmp_path: Path) -> None:
    config, shapes, function = CASES[name]
    weights = dict(zip(shapes, random(*shapes.values()), strict=True))
    (x,) = random((40, 5))
    loaded = sofie_jit.load(keras_1_file(tmp_path / "m.h5", name.split()[0], config, weights, 5))
    want = function(x.astype(np.float64), {key: value.astype(np.float64) for key, value in weights.items()})
    assert distance(loaded.infer(x), want) <= ABSOLUTE


@pytest.mark.parametrize("trainable", [True, False])
def test_random_fourier_features(trainable: bool, tmp_path: Path) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    kind = tf_keras.layers.experimental.RandomFourierFeatures
    inputs = tf_keras.Input((5,))
    model = tf_keras.Model(inputs, kind(7, scale=3.0, trainable=trainable)(inputs))
    (x,) = random((9, 5))
    model.save(tmp_path / "m.h5")
    assert distance(sofie_jit.load(tmp_path / "m.h5").infer(x), np.asarray(model(x))) <= ABSOLUTE
