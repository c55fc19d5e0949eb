"""The exported header, compiled by g++, with the clock in C++."""

from __future__ import annotations

from pathlib import Path

from sofie_jit.bench import Inputs, header

convert = header.convert


def load(path: Path, inputs: Inputs, threads: int) -> header.TimedInside:
    """Loads the library of :mod:`header`, whose calls are timed in C++."""
    return header.TimedInside(path, inputs)
