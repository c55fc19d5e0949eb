"""Keras's ``model.predict``, which is made for many batches and has a large cost per call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.bench import Call, Inputs, keras_file


def convert(model: Any, inputs: Inputs, directory: Path) -> Path:
    """Saves the model with Keras."""
    return keras_file.write(model, directory)


def load(path: Path, inputs: Inputs, threads: int) -> Call:
    """Loads the model; ``predict`` gets the whole batch at once."""
    model, batch = keras_file.read(path), max(len(inputs[0]), 1)

    def call(*arrays: np.ndarray) -> Any:
        results = model.predict(keras_file.arguments(model, arrays), batch_size=batch, verbose=0)
        return keras_file.outputs(model, results)

    return call
