"""ONNX Runtime, with a graph that tf2onnx exports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BATCH = "batch"


def convert(model: Any, x: np.ndarray, directory: Path) -> Path:
    """Exports the graph with an open batch; with a fixed one, tf2onnx turns an LSTM into a loop, ten times slower."""
    path = directory / "model.onnx"
    if not path.exists():
        import tensorflow as tf
        import tf2onnx

        function = tf.function(lambda inputs: model(inputs, training=False))
        frozen = frozen_function(function, tf.TensorSpec((None, *x.shape[1:]), tf.as_dtype(x.dtype), name="x"))
        exported, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(add_shapes=True),
            input_names=[frozen.inputs[0].name],
            output_names=[frozen.outputs[0].name],
            opset=18,
        )
        replace_erfc(exported.graph)
        exported.graph.input[0].type.tensor_type.shape.dim[0].dim_param = BATCH
        path.write_bytes(exported.SerializeToString())
    return path


def frozen_function(function: Any, signature: Any) -> Any:
    """A TensorFlow function of one argument with all variables and captured arrays as constants of its graph.

    tf2onnx would turn arrays, such as the mean of an adapted Normalization, into further inputs.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    concrete = function.get_concrete_function(signature)
    return convert_variables_to_constants_v2(concrete, lower_control_flow=False, aggressive_inlining=True)


def replace_erfc(graph: Any) -> None:
    """Replaces Erfc (from the exact gelu), which tf2onnx leaves in the graph and no runtime has, by ``1 - Erf``."""
    from onnx import helper, numpy_helper

    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        if node.op_type == "Erfc":
            (source,), (target,) = node.input, node.output
            one = numpy_helper.from_array(np.array(1, np.float32), f"{target}_one")
            graph.initializer.append(one)
            graph.node.append(helper.make_node("Erf", [source], [f"{target}_erf"]))
            graph.node.append(helper.make_node("Sub", [one.name, f"{target}_erf"], [target]))
        else:
            graph.node.append(node)


def load(path: Path, x: np.ndarray, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Makes a session for batches like ``x``."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_free_dimension_override_by_name(BATCH, len(x))
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name, run = session.get_inputs()[0].name, session.run

    def call(x: np.ndarray) -> np.ndarray:
        y: np.ndarray = run(None, {name: x})[0]
        return y

    return call
