"""OpenVINO in float32, with the ONNX file itself, or the one that this package exports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.bench import model_file


def convert(source: Any, x: np.ndarray, directory: Path) -> Path:
    """Converts an ONNX file to OpenVINO's format, for batches like ``x``, with float32 weights."""
    path = directory / f"batch_{len(x)}.xml"
    if not path.exists():
        import openvino

        converted = openvino.convert_model(str(model_file.write_onnx(source, directory)), input=list(x.shape))
        openvino.save_model(converted, path, compress_to_fp16=False)
    return path


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Compiles one request for low latency, in float32."""
    import openvino

    options = {
        "INFERENCE_PRECISION_HINT": "f32",  # the default is bfloat16 if the processor supports it
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # the process is pinned already
    }
    request = openvino.Core().compile_model(path, "CPU", options).create_infer_request()
    infer, output = request.infer, request.get_output_tensor(0)

    def call(x: np.ndarray) -> np.ndarray:
        infer((x,), share_inputs=True, share_outputs=True)
        y: np.ndarray = output.data.copy()
        return y

    return call
