"""ONNX Runtime, with the ONNX file itself, or the one that this package exports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.bench import model_file
from sofie_jit.ir.dims import BATCH


def convert(source: Any, x: np.ndarray, directory: Path) -> Path:
    """An ONNX file with the batch as it is in the source, usually open."""
    return model_file.write_onnx(source, directory)


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Makes a session for batches like ``x``."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_free_dimension_override_by_name(str(BATCH), len(x))
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name, run = session.get_inputs()[0].name, session.run

    def call(x: np.ndarray) -> np.ndarray:
        y: np.ndarray = run(None, {name: x})[0]
        return y

    return call
