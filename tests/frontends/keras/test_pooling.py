"""Pooling: every option of Keras's layers, and the operators by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.operators import AveragePool, GlobalAveragePool, GlobalMaxPool, MaxPool
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from tolerance import check, check_file

layers = keras.layers

# dimensions -> shape of one channels-last input, options of the pooling layers that are tried on it
WINDOWS: dict[int, tuple[tuple[int, ...], list[dict[str, Any]]]] = {
    1: ((17, 5), [
        {"pool_size": 2},
        {"pool_size": 3, "padding": "same"},
        {"pool_size": 3, "strides": 2, "padding": "same"},
        {"pool_size": 2, "strides": 3},
        {"pool_size": 4, "strides": 1, "padding": "same"},
        {"pool_size": 17},
    ]),
    2: ((11, 9, 20), [
        {"pool_size": 2},
        {"pool_size": 3, "padding": "same"},
        {"pool_size": (3, 2), "strides": (2, 1), "padding": "same"},
        {"pool_size": (2, 5), "strides": 1},
        {"pool_size": (11, 9), "strides": 4, "padding": "same"},
    ]),
    3: ((5, 6, 7, 3), [
        {"pool_size": 2},
        {"pool_size": 3, "padding": "same"},
        {"pool_size": (1, 2, 3), "strides": (2, 2, 1), "padding": "same"},
        {"pool_size": 2, "strides": 1},
    ]),
}  # fmt: skip


def make_model(kind: str, dimensions: int, data_format: str) -> keras.Model:
    shape, options = WINDOWS[dimensions]
    if kind.startswith("Global"):
        options = [{}, {"keepdims": True}]
    if data_format == "channels_first":
        shape = (shape[-1], *shape[:-1])
    x = keras.Input(shape)
    make = getattr(layers, f"{kind}Pooling{dimensions}D")
    return keras.Model(x, [make(data_format=data_format, **o)(x) for o in options])


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("dimensions", WINDOWS)
@pytest.mark.parametrize("kind", ["Max", "Average", "GlobalMax", "GlobalAverage"])
def test_layer(kind: str, dimensions: int, data_format: str, tmp_path: Path) -> None:
    model = make_model(kind, dimensions, data_format)
    x = np.random.default_rng(0).normal(size=(3, *model.input_shape[1:])).astype(np.float32)
    loaded = check_file(model, x, tmp_path)
    together = loaded.infer(x)
    for row in range(3):
        for whole, alone in zip(together, loaded.infer(x[row : row + 1]), strict=True):
            np.testing.assert_array_equal(whole[row : row + 1], alone)
    assert [y.shape for y in loaded.infer(x[:0])] == [(0, *y.shape[1:]) for y in together]


@pytest.mark.parametrize("channels", [1, 16, 37, 100])
def test_channels(channels: int) -> None:
    x = keras.Input((9, 8, channels))
    kinds = [layers.MaxPooling2D(3, 1, "same"), layers.AveragePooling2D(3, 1, "same"), layers.GlobalMaxPooling2D()]
    model = keras.Model(x, [layer(x) for layer in [*kinds, layers.GlobalAveragePooling2D()]])
    images = np.random.default_rng(channels).normal(size=(2, 9, 8, channels)).astype(np.float32)
    check(sofie_jit.load(model).infer(images), model, images)


def test_mean_of_a_large_image() -> None:
    model = keras.Sequential([keras.Input((300, 200, 2)), layers.GlobalAveragePooling2D()])
    x = np.random.default_rng(0).uniform(size=(2, 300, 200, 2)).astype(np.float32)
    check(sofie_jit.load(model).infer(x), model, x)


def test_nan_and_infinity_are_treated_as_keras_does() -> None:
    windows = [[1, np.nan, 2], [np.nan] * 3, [-np.inf] * 3, [1, np.inf, -np.inf], [-np.inf, -np.inf, 3], [0.0, 1, 2]]
    x = np.repeat(np.array(windows, np.float32)[:, :, None], 18, axis=2)
    inputs = keras.Input((3, 18))
    kinds = [layers.MaxPooling1D(3), layers.AveragePooling1D(3), layers.GlobalMaxPooling1D()]
    model = keras.Model(inputs, [layer(inputs) for layer in [*kinds, layers.GlobalAveragePooling1D()]])
    for got, want in zip(sofie_jit.load(model).infer(x), model(x), strict=True):
        np.testing.assert_array_equal(got, np.asarray(want))


# -- the operators -----------------------------------------------------------------------------------------------------


def run(operator: ROperator, x: np.ndarray) -> np.ndarray:
    model = RModel("one")
    model.add_input_tensor_info("x", x.dtype, (None, *x.shape[1:]))
    operator.inputs, operator.outputs = ["x"], ["y"]
    model.add_operator(operator)
    model.add_output_tensor_names("y")
    return model.compile().infer(x)


def test_onnx_attributes() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 6))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 1)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2, 3), axis=(2, 3))[:, :, ::2, ::1]
    attributes: dict[str, Any] = {"kernel_shape": [2, 3], "strides": [2, 1], "pads": [1, 0, 0, 1]}
    np.testing.assert_array_equal(run(MaxPool(**attributes), x), np.nanmax(windows, axis=(4, 5)))
    got = run(AveragePool(**attributes), x)
    np.testing.assert_allclose(got, np.nanmean(windows, axis=(4, 5)), rtol=1e-14, atol=1e-15)
    got = run(AveragePool(**attributes, count_include_pad=True), x)
    np.testing.assert_allclose(got, np.nansum(windows, axis=(4, 5)) / 6, rtol=1e-14, atol=1e-15)
    dilated = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))[..., ::2, ::2]
    got = run(MaxPool(kernel_shape=[2, 2], dilations=[2, 2]), x)
    np.testing.assert_array_equal(got, dilated.max(axis=(4, 5)))
    np.testing.assert_array_equal(run(GlobalMaxPool(), x), x.max(axis=(2, 3), keepdims=True))
    np.testing.assert_allclose(run(GlobalAveragePool(), x), x.mean(axis=(2, 3), keepdims=True), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(
    ("operator", "shape", "message"),
    [
        (MaxPool(kernel_shape=[3, 3]), (1, 2, 2, 9), "window of 3 does not fit into axis 0 .* size 2"),
        (MaxPool(kernel_shape=[3]), (1, 2, 9, 9), "kernel_shape? needs 2 positive numbers|kernel needs 2 positive"),
        (AveragePool(kernel_shape=[2, 2]), (1, 9), "one to three dimensions"),
        (GlobalMaxPool(), (1, 2, 0, 9), "axis 0 of the image, which has size 0"),
    ],
)
def test_errors(operator: ROperator, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        run(operator, np.zeros(shape, np.float32))


def test_integers() -> None:
    x = np.random.default_rng(0).integers(-9, 9, (2, 3, 9))
    np.testing.assert_array_equal(
        run(MaxPool(kernel_shape=[3]), x), np.lib.stride_tricks.sliding_window_view(x, 3, 2).max(-1)
    )
    with pytest.raises(DtypeError, match="AveragePool is not defined for int64"):
        run(AveragePool(kernel_shape=[2]), x)
