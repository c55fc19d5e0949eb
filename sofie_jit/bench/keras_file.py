"""A model as a file of Keras's, for the engines that read one."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any


def write(model: Any, directory: Path) -> Path:
    """Saves ``model`` in ``directory``, if that has not been done, and returns the path."""
    path = directory / "model.keras"
    if not path.exists():
        model.save(path)
    return path


@functools.lru_cache(maxsize=1)
def read(path: Path) -> Any:
    """The model, which the engines of a process share."""
    import keras

    return keras.models.load_model(path, compile=False)
