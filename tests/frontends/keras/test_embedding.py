"""Embedding, and the Gather operator behind it."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import OutOfRangeError
from sofie_jit.ir.operators import Gather
from sofie_jit.ir.rmodel import RModel
from tolerance import check_file, randomize

layers = keras.layers


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("dtype", ["int32", "int64", "float32", "bool", "uint8"])
@pytest.mark.parametrize("shape", [(), (4,), (3, 2), (None,)])
def test_embedding(dtype: str, shape: tuple[int | None, ...], suffix: str, tmp_path: Path) -> None:
    inputs = keras.Input(shape, dtype=dtype)
    model = keras.Model(inputs, layers.Embedding(10, 6)(inputs))
    rng = np.random.default_rng(0)
    for batch in (7, 1, 0):
        x = rng.integers(0, 2 if dtype == "bool" else 10, (batch, *(size or 5 for size in shape))).astype(dtype)
        if batch:
            loaded = check_file(model, x, tmp_path, suffix)
        else:
            assert loaded.infer(x).shape == (*x.shape, 6)


def test_negative_and_fractional_indices_mean_what_they_mean_to_keras(tmp_path: Path) -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Embedding(5, 3)(inputs))
    check_file(model, np.array([[-1, -5, 4.9, -0.9]], np.float32), tmp_path)


@pytest.mark.parametrize("wrong", [5, -6, 10**9])
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_index_out_of_range(wrong: int, dtype: str, tmp_path: Path) -> None:
    inputs = keras.Input((3,), dtype=dtype)
    model = keras.Model(inputs, layers.Embedding(5, 2, name="words")(inputs))
    model.save(tmp_path / "m.h5")
    loaded = sofie_jit.load(tmp_path / "m.h5")
    x = np.zeros((9, 3), dtype)
    x[8, 2] = wrong
    with pytest.raises(OutOfRangeError, match="words"):
        loaded.infer(x)
    loaded.infer(x[:8])


def test_nan_as_index(tmp_path: Path) -> None:
    inputs = keras.Input((1,))
    model = keras.Model(inputs, layers.Embedding(5, 2)(inputs))
    model.save(tmp_path / "m.h5")
    with pytest.raises(IndexError):
        sofie_jit.load(tmp_path / "m.h5").infer(np.full((1, 1), np.nan))


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("tied", [True, False])
def test_reversible_embedding(tied: bool, suffix: str, tmp_path: Path) -> None:
    embedding = layers.ReversibleEmbedding(7, 3, tie_weights=tied, logit_soft_cap=None if tied else 2.0)
    inputs = keras.Input((4,), dtype="int32")
    words = embedding(inputs)
    model = randomize(keras.Model(inputs, [words, embedding(words, reverse=True)]))
    check_file(model, np.random.default_rng(0).integers(0, 7, size=(5, 4)), tmp_path, suffix)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_gather_along_any_axis(axis: int) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    indices = np.array([[0, -1], [2, 1]])
    model = RModel("gather")
    model.add_input_tensor_info("x", "float32", (None, 4, 5) if axis else (3, 4, 5))
    model.add_initialized_tensor("i", indices)
    model.add_operator(Gather(axis=axis, inputs=["x", "i"], outputs=["y"]))
    model.add_output_tensor_names("y")
    np.testing.assert_array_equal(model.compile().infer(x), np.take(x, indices, axis))
