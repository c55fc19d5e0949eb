"""Transposed convolution: every option of Keras's layers, and the operator by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit.codegen.lowered.conv_transpose import FusedConvTranspose
from sofie_jit.errors import DtypeError, ShapeError, UnsupportedLayerError
from sofie_jit.frontends.keras.layers.convolution_transpose import output_size
from sofie_jit.ir.operators import ConvTranspose, Relu
from sofie_jit.ir.rmodel import RModel
from tolerance import check, randomize

layers = keras.layers

# class -> shape of one channels-last input, options of the layers that are tried on it
CASES: dict[str, tuple[tuple[int, ...], list[dict[str, Any]]]] = {
    "Conv1DTranspose": ((7, 6), [
        {"kernel_size": 3},
        {"kernel_size": 4, "padding": "same", "activation": "relu"},
        {"kernel_size": 3, "strides": 2, "padding": "same", "activation": "tanh"},
        {"kernel_size": 3, "strides": 2, "output_padding": 1, "use_bias": False},
        {"kernel_size": 2, "strides": 5},
        {"kernel_size": 2, "strides": 5, "padding": "same"},
        {"kernel_size": 5, "strides": 3, "padding": "same", "output_padding": 0},
        {"kernel_size": 5, "strides": 3, "padding": "same", "output_padding": 1},
        {"kernel_size": 3, "dilation_rate": 2, "filters": 40},
        {"kernel_size": 3, "dilation_rate": 3, "padding": "same"},
    ]),
    "Conv2DTranspose": ((5, 4, 6), [
        {"kernel_size": 1},
        {"kernel_size": 3, "padding": "same", "activation": "elu"},
        {"kernel_size": 2, "strides": 2, "activation": "relu"},
        {"kernel_size": 3, "strides": 2, "padding": "same", "filters": 33},
        {"kernel_size": (4, 5), "strides": (2, 1), "padding": "same", "use_bias": False},
        {"kernel_size": (2, 3), "strides": (3, 2), "output_padding": (2, 0)},
        {"kernel_size": 4, "strides": 2, "padding": "same", "output_padding": 1, "filters": 16},
        {"kernel_size": 3, "strides": 4, "padding": "same", "filters": 1, "activation": "sigmoid"},
        {"kernel_size": 3, "dilation_rate": (1, 2)},
    ]),
    "Conv3DTranspose": ((3, 2, 4, 3), [
        {"kernel_size": 3, "activation": "relu"},
        {"kernel_size": (1, 2, 3), "strides": 2, "padding": "same"},
        {"kernel_size": 2, "strides": (1, 2, 3), "use_bias": False},
        {"kernel_size": 3, "strides": 2, "output_padding": (0, 1, 1)},
    ]),
}  # fmt: skip


def make_model(class_name: str, data_format: str, dtype: str = "float32") -> keras.Model:
    shape, options = CASES[class_name]
    if dtype == "float64":  # TensorFlow on a CPU cannot dilate in it
        options = [o for o in options if "dilation_rate" not in o]
    made = [getattr(layers, class_name)(data_format=data_format, dtype=dtype, **{"filters": 7, **o}) for o in options]
    x = keras.Input(shape if data_format == "channels_last" else (shape[-1], *shape[:-1]), dtype=dtype)
    return randomize(keras.Model(x, [layer(x) for layer in made]))


def inputs_of(model: keras.Model, batch: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(batch).normal(size=(batch, *model.input_shape[1:])).astype(dtype)


@pytest.mark.parametrize("class_name", CASES)
def test_layer(class_name: str, tmp_path: Path) -> None:
    model = make_model(class_name, "channels_last")
    x = inputs_of(model, 3)
    model.save(tmp_path / "m.h5")
    loaded = sofie_jit.load(tmp_path / "m.h5")
    together = loaded.infer(x)
    check(together, model, x)
    for row in range(3):
        for whole, alone in zip(together, loaded.infer(x[row : row + 1]), strict=True):
            np.testing.assert_array_equal(whole[row : row + 1], alone)
    assert [y.shape for y in loaded.infer(x[:0])] == [(0, *y.shape[1:]) for y in together]


@pytest.mark.parametrize("class_name", CASES)
def test_channels_first(class_name: str, tmp_path: Path) -> None:
    """Keras on a CPU cannot compute these; they are the channels-last layers on permuted images."""
    model, twin = make_model(class_name, "channels_first"), make_model(class_name, "channels_last")
    x = inputs_of(twin, 2)
    model.save(tmp_path / "m.keras")
    got = sofie_jit.load(tmp_path / "m.keras").infer(np.moveaxis(x, -1, 1))
    check([np.moveaxis(y, 1, -1) for y in got], twin, x)


def test_float64() -> None:
    model = make_model("Conv2DTranspose", "channels_last", "float64")
    x = inputs_of(model, 2, "float64")
    for got, want in zip(sofie_jit.load(model).infer(x), model(x), strict=True):
        np.testing.assert_allclose(got, np.asarray(want), rtol=0, atol=1e-13 * np.abs(want).max())


def test_decoder_of_many_images() -> None:
    """From one pixel to a picture, as decoders have it; more images than are computed at once; long sums."""
    model = randomize(
        keras.Sequential([
            keras.Input((1, 1, 300)),
            layers.Conv2DTranspose(64, 4),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2DTranspose(32, 4, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="tanh"),
        ])
    )  # fmt: skip
    x = inputs_of(model, 40)
    loaded = sofie_jit.load(model)
    check(loaded.infer(x), model, x)
    np.testing.assert_array_equal(loaded.infer(x)[7:9], loaded.infer(x[7:9]))


def test_nan_and_infinity_stay_where_keras_has_them() -> None:
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.Conv2DTranspose(1, 3, strides=2, activation="relu")])
    x = np.ones((1, 4, 4, 1), np.float32)
    x[0, 0, 0, 0], x[0, 3, 3, 0] = np.nan, np.inf
    check(sofie_jit.load(model).infer(x), model, x)


def test_what_keras_cannot_compute_is_refused() -> None:
    x = keras.Input((5, 1))
    model = keras.Model(x, layers.Conv1DTranspose(1, 2, strides=2, padding="same", output_padding=0)(x))
    with pytest.raises(UnsupportedLayerError, match="output_padding=0 with kernel_size=2"):
        sofie_jit.load(model)


# -- the operator ------------------------------------------------------------------------------------------------------


def run(operator: ConvTranspose, x: np.ndarray, *weights: np.ndarray) -> np.ndarray:
    model = RModel("one")
    model.add_input_tensor_info("x", x.dtype, (None, *x.shape[1:]))
    for index, values in enumerate(weights):
        model.add_initialized_tensor(f"w{index}", values)
    operator.inputs, operator.outputs = ["x", *(f"w{i}" for i in range(len(weights)))], ["y"]
    model.add_operator(operator)
    model.add_output_tensor_names("y")
    return model.compile().infer(x)


def test_onnx_layouts_pads_dilations_and_strides() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 3, 4, 5)).astype(np.float32), rng.normal(size=(3, 6, 3, 2)).astype(np.float32)
    b = rng.normal(size=6).astype(np.float32)
    whole = np.zeros((2, 6, 12, 9))
    for i in range(4):
        for j in range(5):
            for k in range(3):
                for n in range(2):
                    whole[:, :, 2 * i + 2 * k, j + 4 * n] += x[:, :, i, j].astype(float) @ w[:, :, k, n]
    want = np.maximum(whole[:, :, 1:, 2:-1] + b[:, None, None], 0)
    operator = FusedConvTranspose(
        strides=[2, 1], dilations=[2, 4], pads=[1, 2, 0, 1], output_padding=[1, 0], activation=Relu()
    )
    np.testing.assert_allclose(run(operator, x, w, b), want, rtol=0, atol=3e-6 * want.max())


@pytest.mark.parametrize(
    ("attributes", "x", "w", "message"),
    [
        ({}, (1, 3, 9, 9), (4, 5, 3, 3), "for 3 input channels"),
        ({}, (1, 3, 9), (3, 5, 3, 3), "kernel of 3 dimensions"),
        ({"kernel_layout": "OIHW"}, (1, 3, 9, 9), (3, 5, 3, 3), "must be IOHW or HWOI"),
        ({"strides": [0, 1]}, (1, 3, 9, 9), (3, 5, 3, 3), "strides needs 2 numbers >= 1"),
        ({"pads": [1, 1]}, (1, 3, 9, 9), (3, 5, 3, 3), "pads needs 4 numbers >= 0"),
        ({"output_padding": [0, 1]}, (1, 3, 9, 9), (3, 5, 3, 3), "smaller than the strides"),
        ({"pads": [2, 0, 1, 0]}, (1, 3, 1, 9), (3, 5, 3, 3), "axis 0 .* size 1, would become 0 numbers"),
    ],
)
def test_errors(attributes: dict[str, Any], x: tuple[int, ...], w: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        run(ConvTranspose(**attributes), np.zeros(x, np.float32), np.zeros(w, np.float32))


def test_more_errors() -> None:
    x, w = np.zeros((1, 3, 9, 9), np.float32), np.zeros((3, 5, 3, 3), np.float32)
    with pytest.raises(ShapeError, match=r"bias must be \(5,\)"):
        run(ConvTranspose(), x, w, np.zeros(4, np.float32))
    with pytest.raises(DtypeError, match="ConvTranspose is not defined for int32"):
        run(ConvTranspose(), x.astype(np.int32), w.astype(np.int32))


def test_keras_1_says_how_large_the_output_is(tmp_path: Path) -> None:
    x = keras.Input((5, 4, 6))
    model = randomize(keras.Model(x, layers.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=0)(x)))
    model.save(tmp_path / "m.h5")
    config = json.loads(model.to_json())
    config["config"]["layers"][1]["config"] |= {"output_padding": None, "output_shape": [None, 9, 7, 3]}
    values = np.random.default_rng(0).normal(size=(2, 5, 4, 6)).astype(np.float32)
    check(sofie_jit.load(tmp_path / "m.h5", config=config).infer(values), model, values)


@pytest.mark.parametrize("version", ["1.0.8", "1.1.1"])
def test_keras_that_did_not_save_the_output_shape(version: str, tmp_path: Path) -> None:
    x = keras.Input((5, 4, 6))
    model = randomize(keras.Model(x, layers.Conv2DTranspose(3, 3, strides=2, padding="same")(x)))
    model.save(tmp_path / "m.h5")
    options = {
        "name": "deconvolution2d_1", "batch_input_shape": [None, 5, 4, 6], "nb_filter": 3, "nb_row": 3, "nb_col": 3,
        "subsample": [2, 2], "border_mode": "same", "dim_ordering": "tf", "bias": True, "activation": "linear",
    }  # fmt: skip

    def config(output_shape: list[int | None], version: str) -> dict[str, Any]:
        layer = {"class_name": "Deconvolution2D", "config": {**options, "output_shape": output_shape}}
        return {"class_name": "Sequential", "config": [layer], "keras_version": version}

    saved = config([None, 9, 7, 3], version)
    with pytest.raises(UnsupportedLayerError, match=r"did not save the output_shape .*'keras_version': '1.1.2'"):
        sofie_jit.load(tmp_path / "m.h5", config=saved, backend="tensorflow")
    values = np.random.default_rng(0).normal(size=(2, 5, 4, 6)).astype(np.float32)
    loaded = sofie_jit.load(tmp_path / "m.h5", config=config([None, 10, 8, 3], "1.1.2"))
    check(loaded.infer(values), model, values)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("extent", [1, 2, 5])
def test_sizes_of_outputs(extent: int, stride: int) -> None:
    """A convolution of an image of that size gives an image of the size of the input."""
    for size in (1, 4, 7):
        valid, same, full = (output_size(size, extent, stride, None, padding) for padding in ("valid", "same", "full"))
        assert (valid - extent) // stride + 1 == size
        assert -(-same // stride) == size
        if full > 0:
            assert (full + 2 * (extent - 1) - extent) // stride + 1 == size
        for more in range(stride):
            assert output_size(size, extent, stride, more, "valid") == (size - 1) * stride + extent + more
            assert output_size(size, extent, stride, more, "same") == (size - 1) * stride + extent % 2 + more
