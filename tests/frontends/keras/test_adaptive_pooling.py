"""Adaptive pooling against Keras, in one to three dimensions."""

from __future__ import annotations

import itertools
from pathlib import Path

import keras
import numpy as np
import pytest

import sofie_jit
from sofie_jit.frontends.resampling import windows
from sofie_jit.ir.builder import Builder
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.size_arrays import SizeArrays
from tolerance import check, check_file

layers = keras.layers

CASES = {
    1: ((12, 5), [1, 3, 5, 7, 12]),
    2: ((9, 8, 20), [1, 4, (3, 2), (5, 3), (9, 1), (7, 6)]),
    3: ((4, 6, 5, 3), [1, (2, 3, 5), (3, 4, 2)]),
}
"""Shape of one channels-last input, output sizes, by the number of dimensions."""


def pairs_of(size: int, count: int) -> list[tuple[int, int]]:
    """The first index of each window, and the one after its last."""
    first, end = windows(SizeArrays(Builder(RModel("windows")), size, count), size, count)
    return list(zip(first.tolist(), end.tolist(), strict=True))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("count", CASES)
def test_layer(count: int, data_format: str, tmp_path: Path) -> None:
    shape, sizes = CASES[count]
    shape = shape if data_format == "channels_last" else (shape[-1], *shape[:-1])
    x = keras.Input(shape)
    average, largest = (getattr(layers, f"Adaptive{kind}Pooling{count}D") for kind in ("Average", "Max"))
    outputs = [average(size, data_format=data_format)(x) for size in sizes]
    # Keras's AdaptiveMaxPooling kills the process if an axis has one window
    outputs += [largest(size, data_format=data_format)(x) for size in sizes if 1 not in np.ravel(size)]
    model = keras.Model(x, outputs)
    values = np.random.default_rng(count).normal(size=(3, *shape)).astype(np.float32)
    loaded = check_file(model, values, tmp_path, ".keras")
    for whole, alone in zip(loaded.infer(values), loaded.infer(values[1:2]), strict=True):
        np.testing.assert_array_equal(whole[1:2], alone)


def test_one_window_is_global_pooling() -> None:
    x = keras.Input((9, 8, 3))
    loaded = sofie_jit.load(keras.Model(x, [layers.AdaptiveMaxPooling2D(1)(x), layers.AdaptiveMaxPooling2D((1, 3))(x)]))
    values = np.random.default_rng(0).normal(size=(2, 9, 8, 3)).astype(np.float32)
    whole, thirds = loaded.infer(values)
    np.testing.assert_array_equal(whole, values.max((1, 2), keepdims=True))
    np.testing.assert_array_equal(
        thirds, np.stack([values[:, :, a:b].max((1, 2)) for a, b in pairs_of(8, 3)], 1)[:, None]
    )


def test_open_sizes() -> None:
    """One compiled model serves all sizes, also those that the windows divide; bits are those of the fixed size."""
    x = keras.Input((None, None, 3))
    outputs = [layers.AdaptiveAveragePooling2D((3, 2))(x), layers.AdaptiveMaxPooling2D((3, 2))(x)]
    model = keras.Model(x, outputs)
    loaded = sofie_jit.load(model)
    for height, width in ((3, 2), (6, 8), (7, 5), (40, 3)):
        values = np.random.default_rng(height).normal(size=(2, height, width, 3)).astype(np.float32)
        found = loaded.infer(values)
        check(found, model, values)
        if height < 7:
            fixed = sofie_jit.load(model, input_shapes=[(None, height, width, 3)]).infer(values)
            for one, other in zip(found, fixed, strict=True):
                np.testing.assert_array_equal(one, other)


def test_nan_and_infinity() -> None:
    x = keras.Input((12, 1))
    model = keras.Model(x, [layers.AdaptiveMaxPooling1D(n)(x) for n in (3, 5)])
    values = np.arange(12, dtype=np.float32).reshape(1, 12, 1)
    values[0, 3], values[0, 8] = np.nan, -np.inf
    check(sofie_jit.load(model).infer(values), model, values)


def test_windows_cover_everything_in_order() -> None:
    for size, count in itertools.product((1, 2, 5, 12), (1, 2, 3, 7, 12)):
        pairs = pairs_of(size, count)
        assert pairs[0][0] == 0
        assert pairs[-1][1] == size
        assert all(first < end for first, end in pairs)
        assert all(later[0] <= end for (_, end), later in itertools.pairwise(pairs))
