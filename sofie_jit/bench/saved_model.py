"""A model as TensorFlow SavedModel with a fixed batch, from which other engines convert."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def write(model: Any, x: np.ndarray, directory: Path) -> Path:
    """Exports ``model`` for arrays of exactly the shape of ``x``; returns the path."""
    import keras
    import tensorflow as tf

    path = directory / f"saved_model_{len(x)}"
    if not path.exists():
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("serve", lambda x: model(x, training=False), [tf.TensorSpec(x.shape, x.dtype, name="x")])
        archive.write_out(path, verbose=False)
    return path
