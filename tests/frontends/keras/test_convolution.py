"""Convolution: every option of Keras's layers, and the operator by itself."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit.codegen.lowered.conv import FusedConv, WinogradConv
from sofie_jit.codegen.lowered.window import tiles_the_image
from sofie_jit.errors import DtypeError, GraphError, ShapeError
from sofie_jit.ir.operators import Conv, Relu
from sofie_jit.ir.operators.geometry import Axis, same_padding
from sofie_jit.ir.rmodel import RModel
from sofie_jit.passes.pipeline import lower
from tolerance import check, check_file, randomize

layers = keras.layers

# class -> shape of one channels-last input, options of the layers that are tried on it
CASES: dict[str, tuple[tuple[int, ...], list[dict[str, Any]]]] = {
    "Conv1D": ((17, 6), [
        {"kernel_size": 1},
        {"kernel_size": 3, "activation": "relu"},
        {"kernel_size": 4, "padding": "same"},
        {"kernel_size": 4, "padding": "same", "strides": 2, "use_bias": False},
        {"kernel_size": 3, "padding": "same", "strides": 3},
        {"kernel_size": 3, "padding": "causal", "activation": "tanh"},
        {"kernel_size": 3, "padding": "causal", "dilation_rate": 4},
        {"kernel_size": 2, "padding": "causal", "strides": 2},
        {"kernel_size": 3, "padding": "same", "dilation_rate": 3},
        {"kernel_size": 17},
        {"kernel_size": 5, "strides": 4, "filters": 40},
        {"kernel_size": 3, "groups": 2, "filters": 8},
        {"kernel_size": 3, "groups": 6, "filters": 12, "padding": "causal"},
        {"kernel_size": 3, "groups": 6, "filters": 6},
    ]),
    "Conv2D": ((11, 9, 4), [
        {"kernel_size": 1},
        {"kernel_size": 1, "strides": 2},
        {"kernel_size": 3, "activation": "relu"},
        {"kernel_size": 3, "padding": "same", "activation": "elu"},
        {"kernel_size": (2, 4), "padding": "same", "strides": (2, 3)},
        {"kernel_size": (5, 1), "strides": (1, 2), "use_bias": False},
        {"kernel_size": 3, "dilation_rate": 2},
        {"kernel_size": 3, "dilation_rate": (1, 3), "padding": "same"},
        {"kernel_size": 3, "dilation_rate": (3, 1), "padding": "same"},
        {"kernel_size": (11, 9)},
        {"kernel_size": (11, 9), "padding": "same"},
        {"kernel_size": (1, 9), "padding": "valid"},
        {"kernel_size": 7, "strides": 2, "padding": "same", "filters": 33},
        {"kernel_size": 3, "groups": 2, "filters": 70},
        {"kernel_size": 3, "groups": 4, "filters": 4, "padding": "same", "activation": "sigmoid"},
        {"kernel_size": 2, "groups": 4, "filters": 20, "strides": 2},
        {"kernel_size": 3, "filters": 1},
        {"kernel_size": 3, "filters": 48, "activation": "silu"},
    ]),
    "Conv3D": ((5, 6, 7, 3), [
        {"kernel_size": 1},
        {"kernel_size": 3, "activation": "relu"},
        {"kernel_size": (2, 3, 2), "padding": "same", "strides": (1, 2, 3)},
        {"kernel_size": 2, "dilation_rate": (2, 1, 2), "use_bias": False},
        {"kernel_size": 2, "groups": 3, "filters": 6},
    ]),
    "DepthwiseConv1D": ((17, 6), [
        {"kernel_size": 3, "activation": "relu"},
        {"kernel_size": 4, "strides": 2, "padding": "same"},
        {"kernel_size": 3, "dilation_rate": 3, "padding": "same", "use_bias": False},
        {"kernel_size": 3, "depth_multiplier": 3},
    ]),
    "DepthwiseConv2D": ((11, 13, 20), [
        {"kernel_size": 3, "activation": "relu6"},
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": (5, 2), "padding": "same", "strides": 2},
        {"kernel_size": 3, "dilation_rate": 2, "use_bias": False},
        {"kernel_size": 2, "depth_multiplier": 2, "padding": "same"},
    ]),
    "SeparableConv1D": ((17, 6), [
        {"kernel_size": 3, "activation": "relu"},
        {"kernel_size": 4, "strides": 2, "padding": "same", "depth_multiplier": 2},
        {"kernel_size": 3, "dilation_rate": 2, "use_bias": False},
    ]),
    "SeparableConv2D": ((11, 9, 6), [
        {"kernel_size": 3, "activation": "relu"},
        {"kernel_size": (2, 3), "strides": 2, "padding": "same", "depth_multiplier": 3},
        {"kernel_size": 3, "dilation_rate": 2, "padding": "same", "use_bias": False},
    ]),
}  # fmt: skip


def make_model(class_name: str, data_format: str, dtype: str = "float32") -> keras.Model:
    shape, options = CASES[class_name]
    filters = {} if class_name.startswith("Depthwise") else {"filters": 7}
    kind = getattr(layers, class_name)
    made = [kind(data_format=data_format, dtype=dtype, **{**filters, **o}) for o in options]
    x = keras.Input(shape if data_format == "channels_last" else (shape[-1], *shape[:-1]), dtype=dtype)
    return randomize(keras.Model(x, [layer(x) for layer in made]))


def reference(model: keras.Model) -> keras.Model:
    """The same model computed in channels-last: TensorFlow on a CPU has no float64 channels-first convolution."""
    *_, layer = model.layers
    if layer.data_format == "channels_last":
        return model
    rank = len(model.input_shape) - 1
    x = keras.Input(model.input_shape[1:])
    y = layers.Permute([*range(2, rank + 1), 1])(x)
    made = [type(old).from_config({**old.get_config(), "data_format": "channels_last"}) for old in model.layers[1:]]
    twin = keras.Model(x, [layers.Permute([rank, *range(1, rank)])(layer(y)) for layer in made])
    for new, old in zip(made, model.layers[1:], strict=True):
        new.set_weights(old.get_weights())
    return twin


def inputs_of(model: keras.Model, batch: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(batch).normal(size=(batch, *model.input_shape[1:])).astype(dtype)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("class_name", CASES)
def test_layer(class_name: str, data_format: str, tmp_path: Path) -> None:
    model = make_model(class_name, data_format)
    x = inputs_of(model, 3)
    model.save(tmp_path / "m.h5")
    loaded = sofie_jit.load(tmp_path / "m.h5")
    together = loaded.infer(x)
    check(together, reference(model), x)
    for row in range(3):
        for whole, alone in zip(together, loaded.infer(x[row : row + 1]), strict=True):
            np.testing.assert_array_equal(whole[row : row + 1], alone)
    assert [y.shape for y in loaded.infer(x[:0])] == [(0, *y.shape[1:]) for y in together]


@pytest.mark.parametrize("class_name", ["Conv2D", "DepthwiseConv2D"])
def test_float64(class_name: str) -> None:
    model = make_model(class_name, "channels_last", "float64")
    x = inputs_of(model, 2, "float64")
    for got, want in zip(sofie_jit.load(model).infer(x), model(x), strict=True):
        np.testing.assert_allclose(got, np.asarray(want), rtol=0, atol=1e-13 * np.abs(want).max())


@pytest.mark.parametrize("class_name", ["Conv2D", "SeparableConv2D"])
def test_without_optimization(class_name: str) -> None:
    model = make_model(class_name, "channels_first")
    x = inputs_of(model, 2)
    check(sofie_jit.load(model, optimize=False).infer(x), reference(model), x)


@pytest.mark.parametrize(
    ("size", "channels", "filters"), [((4, 4), 512, 40), ((60, 40), 64, 8), ((90, 100), 3, 16), ((1, 1), 20, 5)]
)
def test_big_and_small(size: tuple[int, int], channels: int, filters: int) -> None:
    """Long sums, several strips, few channels, an image that is smaller than the kernel."""
    model = randomize(keras.Sequential([keras.Input((*size, channels)), layers.Conv2D(filters, 3, padding="same")]))
    x = inputs_of(model, 2)
    check(sofie_jit.load(model).infer(x), model, x)


def test_one_output_of_each_pixel(tmp_path: Path) -> None:
    """The last layer of many a segmentation: its rows are shared among threads."""
    model = randomize(keras.Sequential([keras.Input((300, 200, 40)), layers.Conv2D(1, 1, activation="sigmoid")]))
    x = inputs_of(model, 2)
    loaded = check_file(model, x, tmp_path, ".keras")
    np.testing.assert_array_equal(loaded.infer(x, threads=3), loaded.infer(x, threads=1))


def test_chain_with_every_kind_of_padding(tmp_path: Path) -> None:
    model = randomize(
        keras.Sequential([
            keras.Input((20, 20, 3)),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.DepthwiseConv2D(3, padding="same", activation="relu"),
            layers.Conv2D(16, 1),
            layers.SeparableConv2D(5, 3, activation="tanh"),
            layers.Conv2D(4, 8, activation="softmax"),
        ])
    )  # fmt: skip
    check_file(model, inputs_of(model, 5), tmp_path, ".keras")


def test_nan_and_infinity_go_through() -> None:
    model = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(1, 3, activation="relu")])
    x = np.ones((1, 6, 6, 1), np.float32)
    x[0, 0, 0, 0], x[0, 5, 5, 0] = np.nan, np.inf
    check(sofie_jit.load(model).infer(x), model, x)


def test_winograd(tmp_path: Path) -> None:
    """Odd sizes, all that may follow a sum, image by image, and numbers that are not finite."""
    image = keras.Input((9, 13, 32))
    hidden = layers.Conv2D(48, 3, activation="swish")(image)
    added = layers.Add()([layers.Conv2D(48, 3, padding="same", name="last")(hidden), hidden])
    model = randomize(keras.Model(image, [hidden, layers.ReLU(6)(added)]))
    x = inputs_of(model, 3)
    ours = check_file(model, x, tmp_path)
    assert [type(op) for op in lower(ours.rmodel).operators if isinstance(op, FusedConv)] == [WinogradConv] * 2
    alone = zip(*(ours.infer(x[i : i + 1]) for i in range(3)), strict=True)
    for rows, result in zip(alone, ours.infer(x), strict=True):
        np.testing.assert_array_equal(np.concatenate(rows), result)
    x[0, 3, 4, 5], x[0, 8, 0, 7], x[1, 0, 0, 0], x[2, 8, 12, 31] = np.inf, -np.inf, np.inf, np.nan
    check(ours.infer(x), model, x)
    assert np.isposinf(ours.infer(x)[0]).sum() > 100


# -- the operator ------------------------------------------------------------------------------------------------------


def run(operator: Conv, x: np.ndarray, *weights: np.ndarray) -> np.ndarray:
    model = RModel("one")
    model.add_input_tensor_info("x", x.dtype, (None, *x.shape[1:]))
    for index, values in enumerate(weights):
        model.add_initialized_tensor(f"w{index}", values)
    operator.inputs, operator.outputs = ["x", *(f"w{i}" for i in range(len(weights)))], ["y"]
    model.add_operator(operator)
    model.add_output_tensor_names("y")
    return model.compile().infer(x)


def plain_conv(x: np.ndarray, w: np.ndarray, pads: tuple[int, int, int, int], stride: int) -> np.ndarray:
    """NCHW images, OIHW kernel, in float64."""
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), pads[::2], pads[1::2]))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,ocij->nohw", windows, w.astype(np.float64))


@pytest.mark.parametrize(
    ("attributes", "pads", "stride"),
    [
        ({}, (0, 0, 0, 0), 1),
        ({"pads": [2, 1, 0, 3]}, (2, 1, 0, 3), 1),
        ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (1, 1, 1, 2), 2),
        ({"auto_pad": "SAME_LOWER", "strides": [2, 2]}, (1, 2, 1, 1), 2),
        ({"auto_pad": "VALID"}, (0, 0, 0, 0), 1),
    ],
)
def test_onnx_layouts_and_pads(attributes: dict[str, Any], pads: tuple[int, int, int, int], stride: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 9, 9)).astype(np.float32)
    w, b = rng.normal(size=(5, 3, 3, 4)).astype(np.float32), rng.normal(size=5).astype(np.float32)
    want = np.maximum(plain_conv(x, w, pads, stride) + b[:, None, None], 0)
    got = run(FusedConv(activation=Relu(), **attributes), x, w, b)
    np.testing.assert_allclose(got, want, rtol=0, atol=3e-6 * want.max())


def test_onnx_depthwise() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 3, 9, 9)).astype(np.float32), rng.normal(size=(6, 1, 3, 3)).astype(np.float32)
    want = np.concatenate([plain_conv(x[:, c : c + 1], w[2 * c : 2 * c + 2], (0, 0, 0, 0), 1) for c in range(3)], 1)
    np.testing.assert_allclose(run(Conv(group=3), x, w), want, rtol=0, atol=3e-6 * np.abs(want).max())


@pytest.mark.parametrize(
    ("operator", "x", "w", "error", "message"),
    [
        (Conv(), (1, 3, 2, 9), (5, 3, 3, 3), ShapeError, "window of 3 does not fit into axis 0 .* size 2"),
        (Conv(dilations=[1, 4]), (1, 3, 9, 8), (5, 3, 3, 3), ShapeError, "window of 9 does not fit into axis 1"),
        (Conv(), (1, 4, 9, 9), (5, 3, 3, 3), ShapeError, "3 channels to 5.*have 4"),
        (Conv(group=2), (1, 6, 9, 9), (5, 3, 3, 3), ShapeError, "must divide by group"),
        (Conv(), (1, 3, 9), (5, 3, 3, 3), ShapeError, "1 spatial axes, so the kernel must have 3"),
        (Conv(), (1, 9), (5, 3), ShapeError, "one to three dimensions"),
        (Conv(strides=[1]), (1, 3, 9, 9), (5, 3, 3, 3), ShapeError, "strides needs 2 positive numbers"),
        (Conv(strides=[1, 0]), (1, 3, 9, 9), (5, 3, 3, 3), ShapeError, "strides needs 2 positive numbers"),
        (Conv(pads=[1, 1]), (1, 3, 9, 9), (5, 3, 3, 3), ShapeError, "pads needs 4 numbers"),
        (Conv(pads=[1, 1, 1, 1], auto_pad="VALID"), (1, 3, 9, 9), (5, 3, 3, 3), ShapeError, "either pads or auto_pad"),
        (Conv(auto_pad="SAME"), (1, 3, 9, 9), (5, 3, 3, 3), ShapeError, "auto_pad must be one of"),
        (Conv(layout="NCWH"), (1, 3, 9, 9), (5, 3, 3, 3), ShapeError, "layout must be one of"),
        (Conv(kernel_layout="IOHW"), (1, 3, 9, 9), (5, 3, 3, 3), ShapeError, "kernel_layout must be"),
    ],
)
def test_errors(operator: Conv, x: tuple[int, ...], w: tuple[int, ...], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        run(operator, np.zeros(x, np.float32), np.zeros(w, np.float32))


def test_more_errors() -> None:
    x, w = np.zeros((1, 3, 9, 9), np.float32), np.zeros((5, 3, 3, 3), np.float32)
    with pytest.raises(ShapeError, match=r"bias must be \(5,\)"):
        run(Conv(), x, w, np.zeros(4, np.float32))
    with pytest.raises(DtypeError, match="Conv is not defined for int32"):
        run(Conv(), x.astype(np.int32), w.astype(np.int32))
    model = RModel("computed kernel")
    model.add_input_tensor_info("x", "float32", (1, 3, 9, 9))
    model.add_input_tensor_info("w", "float32", (5, 3, 3, 3))
    model.add_operator(Conv(inputs=["x", "w"], outputs=["y"]))
    model.add_output_tensor_names("y")
    with pytest.raises(GraphError, match="initialized tensor"):
        model.compile()


# -- geometry ----------------------------------------------------------------------------------------------------------


def test_same_padding_makes_the_sizes_tensorflow_has() -> None:
    for size, kernel, stride, dilation in itertools.product((1, 2, 5, 8), (1, 2, 3, 5), (1, 2, 3), (1, 2)):
        extent = (kernel - 1) * dilation + 1
        before, after = same_padding(size, extent, stride)
        axis = Axis(size, kernel, stride, dilation, before, after)
        assert axis.out == -(-size // stride)
        assert after - before in (0, 1)
        assert same_padding(size, extent, stride, upper=False) == (after, before)


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ([Axis(9, 1)], True),
        ([Axis(9, 1), Axis(8, 1)], True),
        ([Axis(9, 1, stride=2), Axis(8, 1)], False),
        ([Axis(9, 3)], False),
        ([Axis(9, 9)], True),
        ([Axis(9, 9, dilation=2, before=9, after=9)], False),
        ([Axis(9, 3, stride=3)], True),
        ([Axis(10, 3, stride=3)], False),
        ([Axis(9, 9), Axis(8, 8)], True),
        ([Axis(9, 3, stride=3), Axis(8, 8)], True),
        ([Axis(9, 1), Axis(8, 2, stride=2)], True),
        ([Axis(9, 3, stride=3), Axis(8, 2, stride=2)], False),
        ([Axis(9, 1, before=1, after=1)], False),
    ],
)
def test_when_windows_are_rows_of_a_matrix(axes: list[Axis], expected: bool) -> None:
    assert tiles_the_image(axes) == expected
