"""TimeDistributed and SpectralNormalization against Keras: over layers and models, with masks, with open steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.ir.dims import BATCH, SymbolicDim, counts_rows, product, split_count
from sofie_jit.ir.operators import Gemm, Reshape
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType
from tolerance import check, check_file, randomize

layers = keras.layers


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def inner_model(*stack: Any) -> Any:
    return keras.Sequential(list(stack))


def branches() -> Any:
    x = keras.Input((6, 6, 2))
    y = layers.Conv2D(3, 3)(x)
    return keras.Model(x, layers.Add()([layers.GlobalMaxPooling2D()(y), layers.GlobalAveragePooling2D()(y)]))


IMAGE, ROW, SEQUENCE = (6, 6, 2), (7,), (4, 3)

WRAPPED: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "Dense": (lambda: layers.Dense(3, activation="softmax"), ROW),
    "Conv2D": (lambda: layers.Conv2D(3, 3, padding="same"), IMAGE),
    "MaxPooling2D": (layers.MaxPooling2D, IMAGE),
    "Flatten": (layers.Flatten, IMAGE),
    "Reshape": (lambda: layers.Reshape((9, 8)), IMAGE),
    "Permute": (lambda: layers.Permute((2, 1)), SEQUENCE),
    "RepeatVector": (lambda: layers.RepeatVector(2), ROW),
    "BatchNormalization": (layers.BatchNormalization, ROW),
    "LayerNormalization": (lambda: layers.LayerNormalization(axis=[1, 2]), SEQUENCE),
    "PReLU": (layers.PReLU, SEQUENCE),
    "GlobalAveragePooling1D": (layers.GlobalAveragePooling1D, SEQUENCE),
    "LSTM": (lambda: layers.LSTM(3, return_sequences=True), SEQUENCE),
    "Bidirectional": (lambda: layers.Bidirectional(layers.GRU(2)), SEQUENCE),
    "TimeDistributed": (lambda: layers.TimeDistributed(layers.Dense(2)), SEQUENCE),
    "Sequential": (
        lambda: inner_model(layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.1), layers.Dense(2)),
        ROW,
    ),
    "Functional": (branches, IMAGE),
    "nested": (lambda: inner_model(keras.Input(IMAGE), branches(), layers.Dense(2)), IMAGE),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_time_distributed(name: str, tmp_path: Path) -> None:
    make, shape = WRAPPED[name]
    inputs = keras.Input((5, *shape))
    model = randomize(keras.Model(inputs, layers.TimeDistributed(make())(inputs)))
    x = numbers(3, 5, *shape)
    check_file(model, x, tmp_path, ".h5")
    loaded = check_file(model, x, tmp_path, ".keras")
    np.testing.assert_array_equal(loaded.infer(x[1:2]), loaded.infer(x)[1:2])
    assert loaded.infer(x[:0]).shape == (0, *model.output_shape[1:])


@pytest.mark.parametrize("name", ["Dense", "Conv2D", "Flatten", "LSTM", "Sequential", "Functional"])
def test_open_steps(name: str, tmp_path: Path) -> None:
    make, shape = WRAPPED[name]
    inputs = keras.Input((None, *shape))
    model = randomize(keras.Model(inputs, layers.TimeDistributed(make())(inputs)))
    loaded = check_file(model, numbers(3, 5, *shape), tmp_path, ".keras")
    for steps in (1, 8):
        check(loaded.infer(numbers(2, steps, *shape)), model, numbers(2, steps, *shape))


def test_hierarchical_masks(tmp_path: Path) -> None:
    """Words to sentences to a document."""
    inputs = keras.Input((3, 4), dtype="int32")
    words = layers.Embedding(9, 5, mask_zero=True)(inputs)
    sentences = layers.TimeDistributed(layers.LSTM(4))(words)
    averages = layers.TimeDistributed(layers.GlobalAveragePooling1D())(words)
    model = randomize(keras.Model(inputs, [sentences, averages]))
    x = np.random.default_rng(0).integers(0, 3, size=(5, 3, 4))
    x[..., 1] = 1
    check_file(model, x, tmp_path, ".keras")


def test_masks_of_steps(tmp_path: Path) -> None:
    inputs = keras.Input((5, 3))
    x = layers.Masking()(inputs)
    y = layers.TimeDistributed(inner_model(layers.Dense(4), layers.Dense(2)))(x)
    z = layers.TimeDistributed(layers.BatchNormalization())(x)
    model = randomize(keras.Model(inputs, [layers.GRU(2)(y), layers.GRU(2)(z)]))
    data = numbers(4, 5, 3)
    data[0], data[1, 2:], data[2, 0] = 0, 0, 0
    check_file(model, data, tmp_path, ".keras")


def test_frozen_layers(tmp_path: Path) -> None:
    """Weights that are not trained come last in an .h5 file."""
    inner = inner_model(layers.Dense(7), layers.Dense(7), layers.BatchNormalization(), layers.Dense(7))
    inputs = keras.Input((5, 7))
    model = randomize(keras.Model(inputs, layers.TimeDistributed(inner)(inputs)))
    inner.layers[0].trainable = False
    check_file(model, numbers(3, 5, 7), tmp_path, ".h5")


def test_a_batch_in_tiles() -> None:
    """Folded steps keep the rows of the batch apart."""
    inputs = keras.Input((5, 7))
    model = randomize(
        keras.Model(inputs, layers.TimeDistributed(inner_model(layers.Dense(64), layers.Dense(2)))(inputs))
    )
    loaded = sofie_jit.load(model)
    x = numbers(4000, 5, 7)
    got = loaded.infer(x)
    check(got, model, x)
    np.testing.assert_array_equal(loaded.infer(x[-3:]), got[-3:])


def test_no_steps_are_refused() -> None:
    from sofie_jit.frontends.keras.graph import Layer
    from sofie_jit.frontends.keras.layers.call import LayerCall
    from sofie_jit.ir.builder import Builder

    builder = Builder(RModel("model"))
    x = builder.input("x", "float32", (None, 3))
    with pytest.raises(UnsupportedLayerError, match=r"expected \(batch, steps, ...\)"):
        LayerCall(Layer("td", "TimeDistributed", {}), builder)(x)


NORMALIZED: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "Dense": (lambda: layers.Dense(3, activation="tanh"), SEQUENCE),
    "Dense without bias": (lambda: layers.Dense(3, use_bias=False), ROW),
    "Conv1D": (lambda: layers.Conv1D(3, 2), SEQUENCE),
    "Conv2D": (lambda: layers.Conv2D(4, 3, groups=2), IMAGE),
    "Conv2DTranspose": (lambda: layers.Conv2DTranspose(3, 2), IMAGE),
    "DepthwiseConv2D": (lambda: layers.DepthwiseConv2D(2), IMAGE),
    "EinsumDense": (lambda: layers.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d"), SEQUENCE),
    "frozen": (lambda: layers.Dense(3, trainable=False), ROW),
}


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_spectral_normalization(suffix: str, tmp_path: Path) -> None:
    inputs = {shape: keras.Input(shape) for _, shape in NORMALIZED.values()}
    tokens = keras.Input((4,), dtype="int32")
    outputs = {name: layers.SpectralNormalization(make())(inputs[shape]) for name, (make, shape) in NORMALIZED.items()}
    outputs["Embedding"] = layers.SpectralNormalization(layers.Embedding(9, 5))(tokens)  # cut to integers
    inner = inner_model(layers.SpectralNormalization(layers.Dense(7)), layers.BatchNormalization(), layers.Dense(2))
    outputs["nested"] = inner(inputs[ROW])
    outputs["distributed"] = layers.TimeDistributed(layers.SpectralNormalization(layers.Dense(2)))(inputs[SEQUENCE])
    model = keras.Model([*inputs.values(), tokens], outputs)
    for weight in randomize(model).weights:
        weight.assign(weight * 3)
    x = [numbers(3, *shape) for shape in inputs]
    check_file(model, [*x, np.arange(12).reshape(3, 4) % 9], tmp_path, suffix)


# -- products of dimensions ------------------------------------------------------------------------------------------


def test_product_of_dimensions() -> None:
    assert product(3, 4) == 12
    assert product("batch", 7, "time") == "7*batch*time"
    assert product(7 * BATCH, 2) == "14*batch"
    assert split_count((7 * BATCH, 2, "time")) == (14, ("batch", "time"))
    assert counts_rows(BATCH)
    assert counts_rows(7 * BATCH)
    assert not counts_rows(SymbolicDim("time"))


def test_reshape_into_products() -> None:
    x = TensorType("float32", ("batch", "time", 6))
    assert Reshape(shape=(-1, 3)).infer(x).shape == ("2*batch*time", 3)


def test_output_of_a_product_of_dimensions() -> None:
    model = RModel("model")
    model.add_input_tensor_info("x", "float32", (None, "time", 4))
    model.add_initialized_tensor("w", np.eye(2, dtype=np.float32))
    model.add_operator(Reshape(shape=(-1, 2), inputs=["x"], outputs=["rows"]))
    model.add_operator(Gemm(inputs=["rows", "w"], outputs=["y"]))
    model.add_output_tensor_names("y")
    x = numbers(3, 5, 4)
    np.testing.assert_array_equal(model.compile().infer(x), x.reshape(-1, 2))
