"""Files that several commands read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sofie_jit.demo import load_digits


@pytest.fixture
def images(tmp_path: Path) -> Path:
    path = tmp_path / "x.npy"
    np.save(path, load_digits().images)
    return path


@pytest.fixture
def two_outputs(tmp_path: Path) -> Path:
    """A model with two inputs and two outputs."""
    import keras

    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    both = keras.layers.Concatenate(name="both")([a, b])
    path = tmp_path / "two.keras"
    keras.Model([a, b], [both, keras.layers.ReLU(name="positive")(both)]).save(path)
    return path
