"""TensorFlow's ``tf.function``: the model as one graph, traced once for the shape of ``x``.

The traced function, ``get_concrete_function()``, is called. A call of the ``tf.function`` itself looks it up from the
arguments in Python, which takes a third to a half of the time of a small model.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.bench import keras_file


def convert(model: Any, x: np.ndarray, directory: Path) -> Path:
    """Saves the model with Keras."""
    return keras_file.write(model, directory)


def load(
    path: Path, x: np.ndarray, threads: int, jit_compile: bool | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    """Traces the model for batches like ``x``; with ``jit_compile=True``, XLA compiles the graph."""
    import tensorflow as tf

    model = keras_file.read(path)
    graph = tf.function(
        lambda inputs: model(inputs, training=False),
        input_signature=[tf.TensorSpec(x.shape, tf.as_dtype(x.dtype))],
        jit_compile=jit_compile,
    )
    traced, constant = graph.get_concrete_function(), tf.constant

    def call(x: np.ndarray) -> np.ndarray:
        y: np.ndarray = traced(constant(x)).numpy()
        return y

    return call
