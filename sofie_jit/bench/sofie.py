"""This package: the model as C++, compiled in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sofie_jit import loading
from sofie_jit.bench import Call, Inputs, model_file


def convert(source: Any, inputs: Inputs, directory: Path) -> Path:
    """A file of another format as it is; Keras saves its models."""
    return model_file.write(source, directory)


def load(path: Path, inputs: Inputs, threads: int) -> Call:
    """Loads the model; :meth:`sofie_jit.Model.infer` is called."""
    model = loading.load(path, threads=threads)
    if len(inputs) == 1:
        return lambda x: model.infer(x)  # looked up in every call, as in users' code
    return lambda *arrays: model.infer(*arrays)
