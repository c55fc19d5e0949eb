"""ContrastLimitedAdaptiveHistogramEqualization against Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import sofie_jit
from tolerance import check_file


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((16, 24, 3), {"tile_grid_size": (4, 3)}),
        ((13, 10, 1), {"tile_grid_size": (3, 4), "clip_limit": 1.5, "value_range": (0, 1)}),
        ((2, 9, 11), {"tile_grid_size": (2, 2), "clip_limit": 0.0, "data_format": "channels_first"}),
    ],
)
def test_layer(shape: tuple[int, ...], options: dict[str, Any], tmp_path: Path) -> None:
    inputs = keras.Input(shape)
    layer = keras.layers.ContrastLimitedAdaptiveHistogramEqualization(**options)
    x = np.random.default_rng(0).normal(120, 60, size=(3, *shape)).astype(np.float32)
    x[2] = 7
    x = x / 255 if "value_range" in options else x
    loaded = check_file(keras.Model(inputs, layer(inputs)), x, tmp_path, ".keras")
    assert (loaded.infer(x)[1:2] == loaded.infer(x[1:2])).all()


def test_integers_and_a_single_image(tmp_path: Path) -> None:
    inputs = keras.Input(batch_shape=(8, 9, 2), dtype="int32")
    layer = keras.layers.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 3))
    x = np.random.default_rng(0).integers(-5, 300, size=(8, 9, 2)).astype(np.int32)
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "m.keras")
    for options in ({}, {"input_shapes": [(8, 9, 2)]}):  # by default, the first axis is open
        np.testing.assert_array_equal(sofie_jit.load(tmp_path / "m.keras", **options).infer(x), model(x))


def test_images_of_any_size() -> None:
    inputs = keras.Input((None, None, 2))
    options = {"tile_grid_size": (3, 2), "clip_limit": 1.5}
    layer = keras.layers.ContrastLimitedAdaptiveHistogramEqualization(**options)
    model = keras.Model(inputs, layer(inputs))
    loaded = sofie_jit.load(model)
    for shape in ((2, 3, 2, 2), (1, 13, 10, 2), (3, 2, 1, 2), (1, 4, 1, 2)):
        x = np.random.default_rng(0).normal(120, 60, size=shape).astype(np.float32)
        y = loaded.infer(x)
        np.testing.assert_allclose(y, model(x), rtol=0, atol=1e-4)
        np.testing.assert_array_equal(y, sofie_jit.load(model, input_shapes=[(None, *shape[1:])]).infer(x))


def test_hostile_grids_are_refused() -> None:
    inputs = keras.Input((8, 8, 1))
    layer = keras.layers.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(10**6, 10**6))
    with pytest.raises(sofie_jit.SofieError, match="histograms of tiles"):
        sofie_jit.load(keras.Model(inputs, layer(inputs)))
