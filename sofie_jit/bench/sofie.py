"""This package: the model as C++, compiled in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit import loading
from sofie_jit.bench import model_file


def convert(source: Any, x: np.ndarray, directory: Path) -> Path:
    """A file of another format as it is; Keras saves its models."""
    return model_file.write(source, directory)


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Loads the model; :meth:`sofie_jit.Model.infer` is called."""
    model = loading.load(path, threads=threads)
    return lambda x: model.infer(x)  # looked up in every call, as in users' code
