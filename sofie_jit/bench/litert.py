"""LiteRT, formerly TensorFlow Lite: a file for one batch size, run by the kernels of XNNPACK."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.bench import Call, Inputs, saved_model
from sofie_jit.errors import InputError

_NUMBER = re.compile(r"x(\d+)")
"""The number of an input in its name, as :mod:`saved_model` names it."""


def convert(model: Any, inputs: Inputs, directory: Path) -> Path:
    """Converts the model for arrays like ``inputs``."""
    path = directory / f"batch_{len(inputs[0])}.tflite"
    if not path.exists():
        import tensorflow as tf

        # the converter from functions gives NaN with Keras 3
        converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model.write(model, inputs, directory)))
        path.write_bytes(converter.convert())
    return path


def load(path: Path, inputs: Inputs, threads: int) -> Call:
    """Makes an interpreter and allocates its tensors once."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    details = sorted(interpreter.get_input_details(), key=lambda given: int(_NUMBER.findall(given["name"])[-1]))
    sources = [given["index"] for given in details]
    targets = [given["index"] for given in interpreter.get_output_details()]
    set_tensor, invoke, get_tensor = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor
    if len(targets) > 1:
        raise InputError("its files do not keep the order of several outputs")

    def call(*arrays: np.ndarray) -> Any:
        for source, array in zip(sources, arrays, strict=True):
            set_tensor(source, array)
        invoke()
        return get_tensor(targets[0])

    return call
