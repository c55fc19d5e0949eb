"""PyTorch's eager execution, or the interpreter of TorchScript: the module as it is in the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.bench import pytorch_file


def convert(source: Any, x: np.ndarray, directory: Path) -> Path:
    """The file itself."""
    path: Path = source
    return path


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Loads the module."""
    return pytorch_file.caller(pytorch_file.read(path, threads))
