"""Measuring: how long a call takes, here and in the other engines that run Keras models.

An engine is a module of this package with a docstring and one function, ``prepare(model, x)``: it takes a live
``keras.Model`` and an input array and returns a call that evaluates the model on arrays of that shape, numpy in and
numpy out. Compiling, tracing and warming up happen in ``prepare``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

ENGINES = {
    "sofie_jit": "sofie_jit.bench.sofie",
    "tf.function": "sofie_jit.bench.tf_function",
    "model(x)": "sofie_jit.bench.keras_call",
    "predict": "sofie_jit.bench.keras_predict",
}
"""Name as tables show it -> module of the adapter."""

Call = Callable[[np.ndarray], np.ndarray]


def prepare(engine: str, model: Any, x: np.ndarray) -> Call:
    """A call that runs ``model``, a ``keras.Model``, in ``engine``, a key of :data:`ENGINES`, on arrays like ``x``.

    Raises ImportError if the engine is not installed, and what the engine raises if it cannot run the model.
    """
    call: Call = importlib.import_module(ENGINES[engine]).prepare(model, x)
    call(x)
    return call
