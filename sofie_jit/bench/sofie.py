"""This package: the model as C++, compiled in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit import loading
from sofie_jit.bench import keras_file


def convert(model: Any, x: np.ndarray, directory: Path) -> Path:
    """The model as Keras saves it."""
    return keras_file.write(model, directory)


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """:meth:`sofie_jit.Model.infer`."""
    model = loading.load(path, threads=threads)
    return lambda x: model.infer(x)  # looked up for every call, as people write it
