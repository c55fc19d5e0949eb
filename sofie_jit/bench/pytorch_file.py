"""A PyTorch file as a module of torch."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.bench import Call


def read(path: Path, threads: int) -> Any:
    """The module of a ``.pt2`` or TorchScript file, which may use ``threads`` threads."""
    import torch

    torch.set_num_threads(threads)
    with zipfile.ZipFile(path) as archive:
        is_script = any(name.endswith("/constants.pkl") for name in archive.namelist())
    if is_script:
        return torch.jit.load(path, map_location="cpu").eval()
    return torch.export.load(path).module()


def caller(module: Any) -> Call:
    """A function that evaluates a module, from arrays to arrays."""
    import torch
    from torch.utils import _pytree as pytree

    def call(*arrays: np.ndarray) -> Any:
        with torch.inference_mode():
            found = module(*map(torch.from_numpy, arrays))
            if isinstance(found, torch.Tensor):
                return found.numpy()
            return [tensor.numpy() for tensor in pytree.tree_leaves(found) if isinstance(tensor, torch.Tensor)]

    return call
