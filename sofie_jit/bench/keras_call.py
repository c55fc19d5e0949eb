"""Keras's ``model(x)``, which calls each layer from Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.bench import keras_file


def convert(model: Any, x: np.ndarray, directory: Path) -> Path:
    """Saves the model with Keras."""
    return keras_file.write(model, directory)


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Loads the model; TensorFlow uses the threads that its environment variables give."""
    model = keras_file.read(path)
    return lambda x: np.asarray(model(x, training=False))
