"""A model in a file of Keras, for the engines that read one."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


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


def arguments(model: Any, arrays: Sequence[Any]) -> Any:
    """Arrays, one per input, as the model takes them: one array, a list, or a dict by name."""
    import keras

    return arrays[0] if len(arrays) == 1 else keras.tree.pack_sequence_as(model.input, list(arrays))


def outputs(model: Any, results: Any) -> Any:
    """The results of a model as an array, or as a list of arrays in the order of its outputs."""
    import keras

    arrays = [np.asarray(result) for result in keras.tree.flatten(results)]
    return arrays[0] if len(arrays) == 1 else arrays
