"""A model in a file of Keras, for the engines that read one."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any


def write(model: Any, directory: Path) -> Path:
    """Saves ``model`` in ``directory`` unless it is there already; returns the path."""
    path = directory / "model.keras"
    if not path.exists():
        model.save(path)
    return path


@functools.lru_cache(maxsize=1)
def read(path: Path) -> Any:
    """Loads a model, which all engines of a process share."""
    import keras

    return keras.models.load_model(path, compile=False)
