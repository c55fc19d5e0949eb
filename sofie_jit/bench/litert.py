"""LiteRT, formerly TensorFlow Lite: a file for one batch size, run by the kernels of XNNPACK."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.bench import saved_model


def convert(model: Any, x: np.ndarray, directory: Path) -> Path:
    """Converts the model for batches like ``x``."""
    path = directory / f"batch_{len(x)}.tflite"
    if not path.exists():
        import tensorflow as tf

        # the converter from functions gives NaN with Keras 3
        converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model.write(model, x, directory)))
        path.write_bytes(converter.convert())
    return path


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Makes an interpreter and allocates its tensors once."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    source_index, target_index = source["index"], target["index"]
    set_tensor, invoke, get_tensor = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor

    def call(x: np.ndarray) -> np.ndarray:
        set_tensor(source_index, x)
        invoke()
        y: np.ndarray = get_tensor(target_index)
        return y

    return call
