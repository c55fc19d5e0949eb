"""Keras's ``model(x)``: each layer called from Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.bench import keras_file


def convert(model: Any, x: np.ndarray, directory: Path) -> Path:
    """The model as Keras saves it."""
    return keras_file.write(model, directory)


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """``model(x)``; TensorFlow has the threads of its environment."""
    model = keras_file.read(path)
    return lambda x: np.asarray(model(x, training=False))
