"""TensorFlow's ``tf.function``: the model as one graph, traced once for the shape of ``x``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def prepare(model: Any, x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    import tensorflow as tf

    graph = tf.function(
        lambda inputs: model(inputs, training=False), input_signature=[tf.TensorSpec(x.shape, tf.as_dtype(x.dtype))]
    )
    return lambda x: np.asarray(graph(tf.constant(x)))
