"""Arrays that commands read from files."""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.errors import InputError


def array_file(text: str) -> Path:
    """The type of an argument that names a file of arrays."""
    path = Path(text)
    if path.suffix not in (".npy", ".npz"):
        raise argparse.ArgumentTypeError(f"'{text}' must end in .npy or .npz")
    return path


def read(path: Path) -> Any:
    """An array, or a dict of arrays; raises InputError if the file holds neither."""
    try:
        loaded = np.load(path)
        return dict(loaded) if isinstance(loaded, np.lib.npyio.NpzFile) else loaded
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} holds no numpy arrays of numbers: {error}") from None
