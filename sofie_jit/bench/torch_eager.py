"""PyTorch's eager execution, or the interpreter of TorchScript: the module as it is in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sofie_jit.bench import Call, Inputs, pytorch_file


def convert(source: Any, inputs: Inputs, directory: Path) -> Path:
    """The file itself."""
    path: Path = source
    return path


def load(path: Path, inputs: Inputs, threads: int) -> Call:
    """Loads the module."""
    return pytorch_file.caller(pytorch_file.read(path, threads))
