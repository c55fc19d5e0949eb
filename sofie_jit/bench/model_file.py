"""A model as a file that this package reads, and as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sofie_jit import frontends
from sofie_jit.bench import keras_file


def write(source: Any, directory: Path) -> Path:
    """The path ``source`` itself, or that of a live model of Keras, which is saved in ``directory``."""
    return source if isinstance(source, Path) else keras_file.write(source, directory)


def write_onnx(source: Any, directory: Path) -> Path:
    """An ONNX file as it is; other models are saved in ``directory`` by :meth:`RModel.save_onnx`, unless they are."""
    path = directory / "model.onnx"
    if path.exists():
        return path
    file = write(source, directory)
    translation = frontends.open(file, untrusted=False)
    return file if translation.format == "ONNX" else translation().save_onnx(path)
