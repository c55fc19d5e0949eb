"""Keras's ``model(x)``, which calls each layer from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.bench import Call, Inputs, keras_file


def convert(model: Any, inputs: Inputs, directory: Path) -> Path:
    """Saves the model with Keras."""
    return keras_file.write(model, directory)


def load(path: Path, inputs: Inputs, threads: int) -> Call:
    """Loads the model; TensorFlow uses the threads that its environment variables give."""
    model = keras_file.read(path)
    if len(inputs) == 1 == len(model.outputs):
        return lambda x: np.asarray(model(x, training=False))
    return lambda *arrays: keras_file.outputs(model, model(keras_file.arguments(model, arrays), training=False))
