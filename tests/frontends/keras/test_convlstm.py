"""ConvLSTM1D to ConvLSTM3D against Keras, with every option, masks, states, wrappers, and files of Keras 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import ShapeError, UnsupportedLayerError
from sofie_jit.ir.operators import ConvLSTM
from sofie_jit.ir.types import TensorType
from tolerance import check, check_file, leaves, randomize

layers = keras.layers

CLASSES = {1: layers.ConvLSTM1D, 2: layers.ConvLSTM2D, 3: layers.ConvLSTM3D}


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


ALL = {"return_sequences": True, "return_state": True}
OPTIONS: list[tuple[int, tuple[int | None, ...], dict[str, Any]]] = [
    (2, (4, 6, 5, 2), {"filters": 5, "kernel_size": (3, 2), "padding": "same", **ALL}),
    (2, (3, 9, 7, 2), {"strides": (2, 1), "go_backwards": True, "dropout": 0.2, "recurrent_dropout": 0.2}),
    (2, (4, 2, 5, 6), {"data_format": "channels_first", "recurrent_activation": "hard_sigmoid", **ALL}),
    (2, (3, 5, 6, 2), {"filters": 64, "kernel_size": 1, "use_bias": False, "return_sequences": True}),
    (1, (4, 9, 2), {"strides": 2, "activation": "relu", "go_backwards": True, **ALL}),
    (1, (None, 9, 2), {"filters": 17, "padding": "same", "dilation_rate": 2, "unit_forget_bias": False}),
    (3, (3, 4, 3, 4, 2), {"kernel_size": 2, "return_sequences": True}),
    (3, (2, 1, 3, 4, 2), {"padding": "same", "data_format": "channels_first"}),
]


@pytest.mark.parametrize(("count", "shape", "options"), OPTIONS)
def test_options(count: int, shape: tuple[int | None, ...], options: dict[str, Any], tmp_path: Path) -> None:
    inputs = keras.Input(shape)
    y = CLASSES[count](**{"filters": 3, "kernel_size": 3, **options})(inputs)
    model = randomize(keras.Model(inputs, y))
    for time in (5, 1) if shape[0] is None else (shape[0],):
        x = images(3, time, *(size or 0 for size in shape[1:]))
        loaded = check_file(model, x, tmp_path, ".h5" if count == 1 else ".keras")
        many, one, none = (leaves(loaded.infer(part)) for part in (x, x[1:2], x[:0]))
        for a, b, c in zip(many, one, none, strict=True):
            assert np.array_equal(a[1:2], b)
            assert c.shape == (0, *a.shape[1:])


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("options", [{}, {"return_sequences": True, "go_backwards": True}])
@pytest.mark.parametrize("count", [1, 2])
def test_mask(count: int, options: dict[str, Any], zero: bool, tmp_path: Path) -> None:
    """Masking makes a mask of pixels."""
    inputs = keras.Input((4, 5, 6, 2)[-count - 2 :])
    layer = CLASSES[count](3, 3, padding="same", return_state=True, zero_output_for_mask=zero, **options)
    model = randomize(keras.Model(inputs, layer(layers.Masking()(inputs))))
    x = images(3, *inputs.shape[1:])
    x[0], x[1, :2], x[2, -1], x[2, 1, :2] = 0, 0, 0, 0
    check_file(model, x, tmp_path)


@pytest.mark.parametrize("options", [{}, {"data_format": "channels_first", "return_sequences": True}])
def test_mask_of_steps_and_initial_state(options: dict[str, Any], tmp_path: Path) -> None:
    x, mask = keras.Input((4, 6, 5, 6), name="x"), keras.Input((4,), dtype="bool", name="mask")
    shape = (3, 3, 4) if options else (4, 3, 3)
    states = [keras.Input(shape, name=f"state{i}") for i in range(2)]
    y = layers.ConvLSTM2D(3, 3, **options)(x, initial_state=states, mask=mask)
    model = randomize(keras.Model([x, *states, mask], y))
    steps = np.array([[1, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]], bool)
    check_file(model, [images(3, 4, 6, 5, 6), images(3, *shape), -images(3, *shape), steps], tmp_path)


@pytest.mark.parametrize("merge_mode", ["concat", "sum"])
def test_bidirectional(merge_mode: str, tmp_path: Path) -> None:
    inputs = keras.Input((4, 5, 6, 2))
    layer = layers.ConvLSTM2D(3, 3, padding="same", return_sequences=merge_mode == "concat", return_state=True)
    model = randomize(keras.Model(inputs, layers.Bidirectional(layer, merge_mode=merge_mode)(inputs)))
    check_file(model, images(3, 4, 5, 6, 2), tmp_path, ".keras")


def test_time_distributed_and_float64(tmp_path: Path) -> None:
    inputs = keras.Input((2, 4, 6, 6, 2), dtype="float64")
    y = layers.TimeDistributed(layers.ConvLSTM2D(3, 3, dtype="float64"), dtype="float64")(inputs)
    model = randomize(keras.Model(inputs, y))
    x = np.random.default_rng(0).normal(size=(3, 2, 4, 6, 6, 2))
    np.testing.assert_allclose(check_file(model, x, tmp_path).infer(x), model(x), rtol=0, atol=1e-14)


def test_files_of_keras_2(tmp_path: Path) -> None:
    import tf_keras

    inputs = tf_keras.Input((3, 6, 7, 2))
    y = tf_keras.layers.ConvLSTM2D(3, (3, 2), strides=2, return_sequences=True, go_backwards=True)(inputs)
    y = tf_keras.layers.ConvLSTM2D(2, 2, padding="same", return_state=True, recurrent_activation="sigmoid")(y)
    model = randomize_weights(tf_keras.Model(inputs, y))
    x = images(3, 3, 6, 7, 2)
    for suffix in (".h5", ".keras"):
        model.save(tmp_path / f"m{suffix}")
        for got, want in zip(sofie_jit.load(tmp_path / f"m{suffix}").infer(x), model(x), strict=True):
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


def randomize_weights(model: Any) -> Any:
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) * 0.3 for w in model.get_weights()])
    return model


def test_masks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    inputs = keras.Input((4, 5, 5, 2))
    layer = layers.ConvLSTM2D(3, 3)  # what comes out has fewer pixels than the mask
    keras.Model(inputs, layer(layers.Masking()(inputs))).save(tmp_path / "m.h5")
    with pytest.raises(UnsupportedLayerError, match="its mask has shape"):
        sofie_jit.load(tmp_path / "m.h5")


def test_a_long_sequence(tmp_path: Path) -> None:
    inputs = keras.Input((None, 4, 4, 1))
    model = randomize(keras.Model(inputs, layers.ConvLSTM2D(2, 3, padding="same")(inputs)))
    loaded = check_file(model, images(2, 5, 4, 4, 1), tmp_path)
    for time in (1, 60):
        check(loaded.infer(images(2, time, 4, 4, 1)), model, images(2, time, 4, 4, 1))


X, R = TensorType("float32", ("batch", 3, 5, 8)), TensorType("float32", (3, 2, 8))
STATE = TensorType("float32", ("batch", 4, 2))
MESSAGES: list[tuple[dict[str, Any], tuple[TensorType | None, ...], str]] = [
    ({"direction": "both"}, (X, R), "direction"),
    ({"hidden_size": 3}, (X, R), r"needs X \(batch, time, one to three spatial axes, 12\), got \(batch, 3, 5, 8\)"),
    ({}, (X, TensorType("float32", (3, 3, 2, 8))), r"needs R \(spatial axes, 2, 8\)"),
    ({}, (X, R, STATE), r"the state H must be \(batch, 5, 2\)"),
    ({}, (X, R, None, None, TensorType("bool", (3, 5))), r"bool \(batch, 3\) or bool \(batch, 3, 5\)"),
]


@pytest.mark.parametrize(("options", "types", "message"), MESSAGES)
def test_messages(options: dict[str, Any], types: tuple[TensorType | None, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        ConvLSTM(**{"hidden_size": 2, **options}).infer(*types)
