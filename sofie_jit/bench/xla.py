"""TensorFlow's ``tf.function(jit_compile=True)``: the graph compiled by XLA."""

from __future__ import annotations

from pathlib import Path

from sofie_jit.bench import Call, Inputs, tf_function

convert = tf_function.convert


def load(path: Path, inputs: Inputs, threads: int) -> Call:
    """Compiles the graph of :mod:`tf_function`."""
    return tf_function.load(path, inputs, threads, jit_compile=True)
