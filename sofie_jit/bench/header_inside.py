"""The exported header, compiled by g++, with the clock in C++."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sofie_jit.bench import header

convert = header.convert


def load(path: Path, x: np.ndarray, threads: int) -> header.TimedInside:
    """Loads the library of :mod:`header`, whose calls are timed in C++."""
    return header.TimedInside(path)
