"""Every function of keras.activations and every activation layer, alone and as an option of Dense, against Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import UnsupportedLayerError
from tolerance import check, check_file, in_float64, randomize

keras = pytest.importorskip("keras")

FUNCTIONS = [
    "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh",
    "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu",
    "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus",
    "swish", "tanh", "tanh_shrink",
]  # fmt: skip

ROWS = ("softmax", "log_softmax", "sparsemax")

SPECIAL = np.array(
    [0.0, -0.0, 1e-10, -1e-10, 0.5, -0.5, 1, -1, 3, -3, 6, 7, 20, -20, 88.5, -88.5, 100, -100, 1e20, -1e20, np.nan,
     np.inf, -np.inf], np.float32,
)  # fmt: skip


def numbers(*shape: int, seed: int = 0, scale: float = 4) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)


def sequential(shape: tuple[int, ...], *layers: Any) -> Any:
    return keras.Sequential([keras.layers.Input(shape), *layers])


def test_every_keras_activation_is_here() -> None:
    names = set(keras.activations.activations.__dict__) if hasattr(keras.activations, "activations") else set()
    names |= {name for name in dir(keras.activations) if not name.startswith("_")}
    functions = {name for name in names if callable(getattr(keras.activations, name, None))}
    # these take arguments without defaults, or are no activations
    assert functions - set(FUNCTIONS) <= {"threshold", "serialize", "deserialize", "get"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name: str, tmp_path: Path) -> None:
    alone = [] if name == "glu" else [keras.layers.Activation(name)]  # Keras is wrong about the shape of that one
    model = sequential((3, 6), *alone, keras.layers.Dense(4, activation=name))
    check_file(randomize(model), numbers(7, 3, 6), tmp_path)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in ROWS and name != "glu"])
def test_special_values(name: str) -> None:
    """Zeros, huge numbers, Inf and NaN: every element against Keras's, each within its own scale."""
    model = sequential((1,), keras.layers.Activation(name))
    for value in SPECIAL:
        x = np.full((1, 1), value)
        got, want = sofie_jit.load(model).infer(x), np.asarray(model(x))
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6, err_msg=f"{name}({value})")


SPOILED = [(name, bad) for name in ROWS for bad in (np.nan, np.inf, -np.inf) if name != "sparsemax" or np.isneginf(bad)]
"""Functions of rows and special values; TensorFlow's sparsemax sorts NaN to an arbitrary place."""


@pytest.mark.parametrize(("name", "bad"), SPOILED)
def test_rows_with_special_values(name: str, bad: float) -> None:
    """NaN, or Inf - Inf, spoils the row. (So does TensorFlow in float64; in float32 it leaves zeros beside a NaN.)"""
    model = sequential((9,), keras.layers.Activation(name))
    x = numbers(4, 9)
    x[1, 3] = bad
    if name != "sparsemax":
        x[2] = -np.inf
    np.testing.assert_allclose(sofie_jit.load(model).infer(x), np.asarray(in_float64(model)(x)), rtol=1e-5, atol=1e-6)


LAYERS = {
    "relu": lambda: keras.layers.ReLU(),
    "relu_max": lambda: keras.layers.ReLU(max_value=2.5),
    "relu6": lambda: keras.layers.ReLU(max_value=6.0),
    "relu_slope": lambda: keras.layers.ReLU(negative_slope=0.3),
    "relu_slope_above_1": lambda: keras.layers.ReLU(negative_slope=1.5),
    "relu_threshold": lambda: keras.layers.ReLU(threshold=0.7),
    "relu_threshold_slope": lambda: keras.layers.ReLU(threshold=0.7, negative_slope=0.2),
    "relu_max_slope": lambda: keras.layers.ReLU(max_value=2.0, negative_slope=0.2),
    "relu_all": lambda: keras.layers.ReLU(max_value=2.0, negative_slope=0.2, threshold=0.7),
    "leaky_relu": lambda: keras.layers.LeakyReLU(),
    "leaky_relu_slope": lambda: keras.layers.LeakyReLU(negative_slope=0.07),
    "elu": lambda: keras.layers.ELU(),
    "elu_alpha": lambda: keras.layers.ELU(alpha=0.4),
    "prelu": lambda: keras.layers.PReLU(),
    "prelu_shared": lambda: keras.layers.PReLU(shared_axes=[1, 2]),
    "prelu_shared_one": lambda: keras.layers.PReLU(shared_axes=[2]),
    "softmax": lambda: keras.layers.Softmax(),
    "softmax_axis_1": lambda: keras.layers.Softmax(axis=1),
    "softmax_axis_2": lambda: keras.layers.Softmax(axis=-2),
    "softmax_axes_12": lambda: keras.layers.Softmax(axis=(1, 2)),
    "softmax_axes_13": lambda: keras.layers.Softmax(axis=[1, 3]),
    "softmax_axes_23": lambda: keras.layers.Softmax(axis=(2, 3)),
    "activation": lambda: keras.layers.Activation("tanh"),
    "activation_layer": lambda: keras.layers.Activation(keras.layers.LeakyReLU(negative_slope=0.15)),
    "dropout": lambda: keras.layers.Dropout(0.5),
    "spatial_dropout": lambda: keras.layers.SpatialDropout2D(0.5),
    "alpha_dropout": lambda: keras.layers.AlphaDropout(0.5),
    "gaussian_dropout": lambda: keras.layers.GaussianDropout(0.5),
    "gaussian_noise": lambda: keras.layers.GaussianNoise(0.5),
    "activity_regularization": lambda: keras.layers.ActivityRegularization(l1=0.5, l2=0.5),
    "identity": lambda: keras.layers.Identity(),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_layer(name: str, suffix: str, tmp_path: Path) -> None:
    model = randomize(sequential((4, 5, 3), LAYERS[name]()))
    if name.startswith("softmax_axes") and suffix == ".h5":
        x = numbers(6, 4, 5, 3)  # Keras cannot read its own .h5 of it, we can
        model.save(tmp_path / "model.h5")
        return check(sofie_jit.load(tmp_path / "model.h5").infer(x), model, x)
    check_file(model, numbers(6, 4, 5, 3), tmp_path, suffix)


@pytest.mark.parametrize("size", [1, 15, 16, 17, 100])
@pytest.mark.parametrize("axis", [-1, 1])
def test_softmax_sizes(size: int, axis: int) -> None:
    model = sequential((size, 3) if axis == 1 else (3, size), keras.layers.Softmax(axis=axis))
    x = numbers(5, *model.input_shape[1:])
    check(sofie_jit.load(model).infer(x), model, x)


@pytest.mark.parametrize("layer", ["softmax", "selu", "mish", "prelu"])
def test_float64(layer: str) -> None:
    kind = keras.layers.PReLU(dtype="float64") if layer == "prelu" else keras.layers.Activation(layer, dtype="float64")
    model = randomize(keras.Sequential([keras.layers.Input((9,), dtype="float64"), kind]))
    x = numbers(5, 9).astype(np.float64)
    got = sofie_jit.load(model).infer(x)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, np.asarray(model(x)), rtol=1e-13, atol=1e-13)


def test_rows_do_not_depend_on_the_batch() -> None:
    model = sofie_jit.load(sequential((37,), keras.layers.Activation("gelu"), keras.layers.Softmax()))
    x = numbers(50, 37)
    together = model.infer(x)
    assert np.array_equal(together, np.concatenate([model.infer(x[i : i + 1]) for i in range(50)]))


def test_function_of_the_users_is_refused() -> None:
    @keras.saving.register_keras_serializable("tests")
    def cube(x: Any) -> Any:
        return x * x * x

    model = sequential((3,), keras.layers.Dense(2, activation=cube))
    with pytest.raises(UnsupportedLayerError, match="tests>cube"):
        sofie_jit.load(model)


@pytest.mark.parametrize(
    ("shape", "mask"), [((4,), (1, 4)), ((4,), (3, 4)), ((1, 4), (3, 4)), ((2, 4), (2, 3, 4)), ((1, 4), (3, 1))]
)
def test_masks_that_enlarge_the_input_are_refused(shape: tuple[int, ...], mask: tuple[int, ...]) -> None:
    x, given = keras.Input(shape), keras.Input(mask, dtype="bool")
    model = keras.Model([x, given], keras.layers.Softmax()(x, mask=given))
    with pytest.raises(UnsupportedLayerError, match=r"its mask has shape .*, which does not broadcast to its input's"):
        sofie_jit.frontends.open(model)()
