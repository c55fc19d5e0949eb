"""TensorFlow's ``tf.function(jit_compile=True)``: the graph compiled by XLA."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sofie_jit.bench import tf_function

convert = tf_function.convert


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Compiles the graph of :mod:`tf_function`."""
    return tf_function.load(path, x, threads, jit_compile=True)
