"""A PyTorch file as a module of torch."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def read(path: Path, threads: int) -> Any:
    """The module of a ``.pt2`` or TorchScript file, which may use ``threads`` threads."""
    import torch

    torch.set_num_threads(threads)
    with zipfile.ZipFile(path) as archive:
        is_script = any(name.endswith("/constants.pkl") for name in archive.namelist())
    if is_script:
        return torch.jit.load(path, map_location="cpu").eval()
    return torch.export.load(path).module()


def caller(module: Any) -> Callable[[np.ndarray], np.ndarray]:
    """A function that evaluates a module with one input and one output, from array to array."""
    import torch

    def call(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            found = module(torch.from_numpy(x))
            y: np.ndarray = (found if isinstance(found, torch.Tensor) else found[0]).numpy()
            return y

    return call
