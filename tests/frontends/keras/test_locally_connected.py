"""LocallyConnected1D and 2D, which Keras 3 has no more, against the Keras 2 of tf-keras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from sofie_jit.errors import SofieError
from tolerance import ABSOLUTE, distance

tf_keras = pytest.importorskip("tf_keras")
layers = tf_keras.layers

CASES = {
    "1D": ((11, 3), [{"kernel_size": 3}, {"kernel_size": 4, "strides": 3, "use_bias": False, "activation": "relu"}]),
    "2D": ((6, 5, 2), [{"kernel_size": 3, "activation": "tanh"}, {"kernel_size": (2, 3), "strides": (2, 1)}]),
}


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("kind", CASES)
def test_layer(kind: str, data_format: str, tmp_path: Path) -> None:
    shape, options = CASES[kind]
    shape = shape if data_format == "channels_last" else (shape[-1], *shape[:-1])
    x = tf_keras.Input(shape)
    made = [
        getattr(layers, f"LocallyConnected{kind}")(4, data_format=data_format, implementation=implementation, **o)
        for o in options
        for implementation in (1, 2, 3)
    ]
    made += [
        getattr(layers, f"LocallyConnected{kind}")(
            3, data_format=data_format, implementation=implementation, padding="same", **o
        )
        for o in options
        for implementation in (2, 3)
    ]
    model, rng = tf_keras.Model(x, [layer(x) for layer in made]), np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) * 0.3 for w in model.get_weights()])
    values = rng.normal(size=(3, *shape)).astype(np.float32)
    model.save(tmp_path / "m.h5")
    loaded = sofie_jit.load(tmp_path / "m.h5")
    got = loaded.infer(values)
    for y, want in zip(got, model(values), strict=True):
        assert y.shape == want.shape
        assert distance(y, np.asarray(want)) <= ABSOLUTE
    for whole, alone in zip(got, loaded.infer(values[1:2]), strict=True):
        np.testing.assert_array_equal(whole[1:2], alone)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"padding": "same", "implementation": 1}, "is not defined in Keras"),
        ({"kernel_size": [7]}, "larger than its images"),
        ({"kernel_size": [10**8], "padding": "same"}, "need a table"),
    ],
)
def test_refused(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    model = tf_keras.Sequential([tf_keras.Input((6, 2)), layers.LocallyConnected1D(1, 3, implementation=2)])
    model.save(tmp_path / "m.h5")
    config = json.loads(model.to_json())
    config["config"]["layers"][1]["config"] |= options
    with pytest.raises(SofieError, match=words):
        sofie_jit.load(tmp_path / "m.h5", config=config)


def test_open_sizes(tmp_path: Path) -> None:
    """Each position has a kernel, so that their number must be known; Keras, too, does not save such models."""
    model = tf_keras.Sequential([tf_keras.Input((6, 2)), layers.LocallyConnected1D(1, 3, implementation=2)])
    model.save(tmp_path / "m.h5")
    config = json.loads(model.to_json())
    config["config"]["layers"][0]["config"]["batch_input_shape"] = [None, None, 2]
    with pytest.raises(SofieError, match=r"LocallyConnected1D.* leaves '\w+' open; fix the sizes.*input_shapes="):
        sofie_jit.load(tmp_path / "m.h5", config=config)
    assert sofie_jit.check(tmp_path / "m.h5", config=config, input_shapes=[(None, 6, 2)]).ok
