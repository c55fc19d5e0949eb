"""A model as TensorFlow SavedModel with a fixed batch, from which other engines convert."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sofie_jit.bench import Inputs, keras_file


def write(model: Any, inputs: Inputs, directory: Path) -> Path:
    """Exports ``model`` for arrays of exactly the shapes of ``inputs``, called x0, x1, ...; returns the path."""
    import keras
    import tensorflow as tf

    path = directory / f"saved_model_{len(inputs[0])}"
    if not path.exists():
        archive = keras.export.ExportArchive()
        archive.track(model)
        signature = [tf.TensorSpec(x.shape, x.dtype, name=f"x{index}") for index, x in enumerate(inputs)]
        archive.add_endpoint(
            "serve", lambda *arrays: model(keras_file.arguments(model, arrays), training=False), signature
        )
        archive.write_out(path, verbose=False)
    return path
