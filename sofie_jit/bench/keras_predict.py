"""Keras's ``model.predict``, which is made for many batches and has a large cost per call."""

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
    """Loads the model; ``predict`` gets the whole batch at once."""
    model, batch = keras_file.read(path), max(len(x), 1)
    return lambda x: np.asarray(model.predict(x, batch_size=batch, verbose=0))
