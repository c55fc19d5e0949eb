"""``torch.compile``: the module of a ``.pt2`` file, compiled for the shape of ``x`` by TorchInductor and g++."""

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
    """Loads the module; the first call compiles it."""
    import torch

    return pytorch_file.caller(torch.compile(pytorch_file.read(path, threads), dynamic=False))
