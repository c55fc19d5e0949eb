"""ONNX Runtime, with the ONNX file itself, or the one that this package exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sofie_jit.bench import Call, Inputs, model_file
from sofie_jit.frontends.onnx.original import tensors
from sofie_jit.ir.dims import BATCH


def convert(source: Any, inputs: Inputs, directory: Path) -> Path:
    """An ONNX file with the batch as it is in the source, usually open."""
    return model_file.write_onnx(source, directory)


def load(path: Path, inputs: Inputs, threads: int) -> Call:
    """Makes a session for batches like ``inputs``."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_free_dimension_override_by_name(str(BATCH), len(inputs[0]))
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names, run = [given.name for given in session.get_inputs()], session.run
    if len(names) == 1 == len(session.get_outputs()):
        return lambda x, name=names[0]: run(None, {name: x})[0]
    if all(output.type.startswith("tensor") for output in session.get_outputs()):
        return lambda *arrays: run(None, dict(zip(names, arrays, strict=True)))
    return lambda *arrays: tensors(run(None, dict(zip(names, arrays, strict=True))))
