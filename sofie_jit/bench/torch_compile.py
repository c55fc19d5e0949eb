"""``torch.compile``: the module of a ``.pt2`` file, compiled for the shapes of its inputs by TorchInductor and g++."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sofie_jit.bench import Call, Inputs, pytorch_file


def convert(source: Any, inputs: Inputs, directory: Path) -> Path:
    """The file itself."""
    path: Path = source
    return path


def load(path: Path, inputs: Inputs, threads: int) -> Call:
    """Loads the module; the first call compiles it."""
    import torch

    return pytorch_file.caller(torch.compile(pytorch_file.read(path, threads), dynamic=False))
