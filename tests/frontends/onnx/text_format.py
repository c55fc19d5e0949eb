"""Models in ONNX's text format, compared with ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx

from sofie_jit import frontends
from sofie_jit.frontends.base import leaves
from sofie_jit.verification.evaluate import evaluate


def parsed(nodes: str, inputs: str = "float[3,4] x", outputs: str = "y", opset: int = 18) -> bytes:
    """A model; ``outputs`` are names of any type."""
    listed = ", ".join(f"float[1] {name}" for name in outputs.split())
    text = f'<ir_version: 8, opset_import: ["" : {opset}]> g ({inputs}) => ({listed}) {{ {nodes} }}'
    model = onnx.parser.parse_model(text)
    for output in model.graph.output:
        output.ClearField("type")
    return model.SerializeToString()


def check(content: bytes, *arrays: np.ndarray, compiled: bool = False) -> None:
    """Compares the outputs in numpy, or those of the compiled model, with ONNX Runtime's: values, types and shapes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    expected = session.run(None, dict(zip(names, arrays, strict=True)))
    rmodel = frontends.open(content)()
    found = leaves(rmodel.compile().infer(*arrays)) if compiled else evaluate(rmodel, list(arrays))
    for y, other in zip(found, expected, strict=True):
        assert (y.dtype, y.shape) == (other.dtype, other.shape)
        np.testing.assert_allclose(y, other, rtol=1e-6, atol=1e-6)
