"""OpenVINO in float32, with the ONNX file itself, or the one that this package exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.bench import Call, Inputs, model_file


def convert(source: Any, inputs: Inputs, directory: Path) -> Path:
    """Converts an ONNX file to OpenVINO's format, for arrays like ``inputs``, with float32 weights."""
    path = directory / f"batch_{len(inputs[0])}.xml"
    if not path.exists():
        import openvino

        file, shapes = model_file.write_onnx(source, directory), [list(x.shape) for x in inputs]
        converted = openvino.convert_model(str(file), input=shapes)
        openvino.save_model(converted, path, compress_to_fp16=False)
    return path


def load(path: Path, inputs: Inputs, threads: int) -> Call:
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
    infer = request.infer
    outputs = [request.get_output_tensor(index) for index in range(len(request.model_outputs))]

    def call(*arrays: np.ndarray) -> Any:
        infer(arrays, share_inputs=True, share_outputs=True)
        return outputs[0].data.copy() if len(outputs) == 1 else [output.data.copy() for output in outputs]

    return call
