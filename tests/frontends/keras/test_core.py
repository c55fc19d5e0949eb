"""Dense on any number of axes and EinsumDense with any equation, against Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import UnsupportedLayerError
from tolerance import check, check_file, randomize

layers = keras.layers

EQUATIONS: list[tuple[str, Any, str | None, tuple[int, ...]]] = [
    ("ab,bc->ac", 4, "c", (6,)),
    ("abc,cd->abd", (None, 4), "d", (5, 6)),
    ("abc,cd->abd", (5, 4), "bd", (5, 6)),
    ("abc,cd->adb", (4, 5), "d", (5, 6)),
    ("abc,bd->adc", (4, 6), "dc", (5, 6)),
    ("abc,bcd->ad", 4, None, (5, 6)),
    ("abc,bcd->abd", (5, 4), "b", (5, 6)),
    ("abcd,de->abce", (None, None, 4), "e", (2, 3, 6)),
    ("abcd,cde->abe", (None, 4), "e", (2, 3, 6)),
    ("abc,cde->abde", (None, 2, 3), "de", (5, 6)),
    ("abc,cde->abde", (None, 2, 3), "d", (5, 6)),
    ("abcd,bce->abcde", (2, 3, 6, 4), None, (2, 3, 6)),
    ("abc,c->abc", (5, 6), None, (5, 6)),
    ("abc,c->ab", (5,), None, (5, 6)),
    ("...x,xy->...y", 4, "y", (2, 3, 6)),
    ("...xy,yz->...xz", (5, 4), "xz", (2, 5, 6)),
    ("ab...,bc->ac...", 4, "c", (5, 2, 3)),
]


@pytest.mark.parametrize(("equation", "shape", "bias_axes", "inputs"), EQUATIONS, ids=str)
def test_einsum_dense(
    equation: str, shape: Any, bias_axes: str | None, inputs: tuple[int, ...], tmp_path: Path
) -> None:
    x = keras.Input(inputs)
    layer = layers.EinsumDense(equation, shape, bias_axes=bias_axes, activation="tanh")
    model = randomize(keras.Model(x, layer(x)))
    data = np.random.default_rng(0).normal(size=(3, *inputs)).astype(np.float32)
    loaded = check_file(model, data, tmp_path, ".keras")
    np.testing.assert_array_equal(loaded.infer(data[1:2]), loaded.infer(data)[1:2])


def test_options_in_an_h5_file(tmp_path: Path) -> None:
    x = keras.Input((None, 6))
    y = layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="e", activation="relu")(x)
    model = randomize(keras.Model(x, layers.EinsumDense("abde,de->ab", (None,), activation="sigmoid")(y)))
    loaded = check_file(model, np.ones((3, 5, 6), np.float32), tmp_path, ".h5")
    x = np.random.default_rng(0).normal(size=(2, 9, 6)).astype(np.float32)
    check(loaded.infer(x), model, x)


@pytest.mark.parametrize("rank", [1, 2, 4])
@pytest.mark.parametrize("use_bias", [False, True])
def test_dense(rank: int, use_bias: bool, tmp_path: Path) -> None:
    x = keras.Input((2, 3, 4, 6)[-rank:])
    model = randomize(keras.Model(x, layers.Dense(5, use_bias=use_bias, activation="softmax")(x)))
    data = np.random.default_rng(0).normal(size=(3, *x.shape[1:])).astype(np.float32)
    loaded = check_file(model, data, tmp_path, ".keras")
    assert loaded.infer(data[:0]).shape == (0, *model.output_shape[1:])


@pytest.mark.parametrize("terms", [1, 5, 16, 300, 2500])
@pytest.mark.parametrize("activation", [None, "relu", "sigmoid"])
def test_dense_with_one_output(terms: int, activation: str | None, tmp_path: Path) -> None:
    model = randomize(keras.Sequential([keras.Input((terms,)), layers.Dense(1, activation=activation)]))
    data = np.random.default_rng(0).normal(size=(9, terms)).astype(np.float32)
    loaded = check_file(model, data, tmp_path, ".keras")
    together = loaded.infer(data)
    for row in range(9):
        np.testing.assert_array_equal(loaded.infer(data[row : row + 1]), together[row : row + 1])
    assert loaded.infer(data[:0]).shape == (0, 1)


@pytest.mark.parametrize("classes", [1, 2, 8, 9, 16, 17])
def test_softmax_of_one_row_and_of_many(classes: int, tmp_path: Path) -> None:
    model = randomize(keras.Sequential([keras.Input((6,)), layers.Dense(classes, activation="softmax")]))
    data = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    model.save(tmp_path / "model.keras")
    loaded = sofie_jit.load(tmp_path / "model.keras")
    alone = [loaded.infer(row[None]) for row in data]  # what several rows need is compiled after that
    assert loaded.infer(data[:0]).shape == (0, classes)
    together = loaded.infer(data)
    check(together, model, data)
    np.testing.assert_array_equal(np.concatenate(alone), together)


def test_equations_that_are_none() -> None:
    from sofie_jit.frontends.keras.graph import Layer
    from sofie_jit.frontends.keras.layers.call import LayerCall
    from sofie_jit.ir.builder import Builder
    from sofie_jit.ir.rmodel import RModel

    builder = Builder(RModel("model"))
    x = builder.input("x", "float32", (None, 3))
    config = {"equation": "ab->ab", "bias_axes": None, "output_shape": [3], "activation": None}
    with pytest.raises(UnsupportedLayerError, match=r"equation='ab->ab' is not of the form"):
        LayerCall(Layer("einsum", "EinsumDense", config), builder)(x)


def test_load_gives_float64(tmp_path: Path) -> None:
    x = keras.Input((5, 6), dtype="float64")
    layer = layers.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d", dtype="float64")
    model = randomize(keras.Model(x, layer(x)))
    data = np.random.default_rng(0).normal(size=(3, 5, 6))
    got = sofie_jit.load(model).infer(data)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, np.asarray(model(data)), rtol=0, atol=1e-14)
