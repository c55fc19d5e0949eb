"""TensorFlow's ``tf.function``: the model as one graph, traced once for the shapes of its inputs.

The traced function, ``get_concrete_function()``, is called. A call of the ``tf.function`` itself looks it up from the
arguments in Python, which takes a third to a half of the time of a small model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sofie_jit.bench import Call, Inputs, keras_file


def convert(model: Any, inputs: Inputs, directory: Path) -> Path:
    """Saves the model with Keras."""
    return keras_file.write(model, directory)


def load(path: Path, inputs: Inputs, threads: int, jit_compile: bool | None = None) -> Call:
    """Traces the model for arrays like ``inputs``; with ``jit_compile=True``, XLA compiles the graph."""
    import tensorflow as tf

    model = keras_file.read(path)
    graph = tf.function(
        lambda *arrays: model(keras_file.arguments(model, arrays), training=False),
        input_signature=[tf.TensorSpec(x.shape, tf.as_dtype(x.dtype)) for x in inputs],
        jit_compile=jit_compile,
    )
    traced, constant = graph.get_concrete_function(), tf.constant
    if len(inputs) == 1 == len(model.outputs):
        return lambda x: traced(constant(x)).numpy()
    return lambda *arrays: keras_file.outputs(model, traced(*map(constant, arrays)))
