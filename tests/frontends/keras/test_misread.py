"""Files that Keras 3 itself misreads, or no longer opens: the numbers are those of the model that was saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from tolerance import check, randomize

keras = pytest.importorskip("keras")
layers, ops = keras.layers, keras.ops


def several_axes():
    x = keras.Input((3, 4, 5))
    return keras.Model(x, layers.LayerNormalization(axis=[1, 3])(layers.BatchNormalization(axis=2)(x)))


def score_mode():
    x = keras.Input((6, 4))
    return keras.Model(x, layers.Attention(score_mode="concat", use_scale=True)([x, x]))


def bare_activations():
    x = keras.Input((5,))
    return keras.Model(x, keras.activations.gelu(layers.Dense(3)(keras.activations.leaky_relu(x))))


def arithmetic():
    x = keras.Input((5,))
    y = layers.Dense(5)(x)
    return keras.Model(x, ops.maximum(x + y * 2, 1 - ops.tanh(y)) / 3)


@pytest.mark.parametrize("make", [several_axes, score_mode, bare_activations, arithmetic])
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_the_saved_model_is_the_truth(make, suffix: str, tmp_path: Path) -> None:
    model = randomize(make())
    model.save(tmp_path / f"m{suffix}")
    x = np.random.default_rng(0).normal(size=(4, *model.input_shape[1:])).astype(np.float32)
    check(sofie_jit.load(tmp_path / f"m{suffix}").infer(x), model, x)


REASONS = {
    several_axes: "Shape mismatch in layer",
    bare_activations: "Unknown layer: 'LeakyRelu'",
    arithmetic: "Unknown layer: 'Tanh'",
}
"""Model -> the error with which Keras 3 does not open its .h5 file; some versions misread that of ``score_mode``."""


@pytest.mark.parametrize("make", REASONS)
def test_keras_does_not_open_them(make, tmp_path: Path) -> None:
    """If this fails, Keras has been mended, and the model can leave this module."""
    make().save(tmp_path / "m.h5")
    with pytest.raises(ValueError, match=REASONS[make]):
        keras.models.load_model(tmp_path / "m.h5", compile=False)
