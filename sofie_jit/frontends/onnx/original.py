"""An ONNX file in ONNX Runtime, as the reference of ``compare`` and ``bench``."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.errors import InputError, MissingDependencyError, ModelFileError, one_line
from sofie_jit.frontends.base import OriginalModel
from sofie_jit.frontends.onnx.model import Graph
from sofie_jit.frontends.onnx.proto import GraphProto, ModelProto, ValueInfoProto
from sofie_jit.frontends.onnx.serialize import serialize
from sofie_jit.records import dataclass

DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64"}
"""ONNX Runtime's names of types that are not ``tensor(<numpy's name>)``."""


@dataclass(frozen=True)
class OnnxRuntimeModel(OriginalModel):
    """A session of ONNX Runtime on the file ``path``, with ``outputs`` in place of the file's if there are any."""

    path: Path
    graph: Graph
    outputs: tuple[str, ...] = ()

    library = "ONNX Runtime"
    most_work = 1e9  # numpy evaluates in float64, one or two hundred times as slow as ONNX Runtime

    def __post_init__(self) -> None:
        """Raises MissingDependencyError without ONNX Runtime, and ModelFileError if it cannot load the file."""
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingDependencyError(
                "ONNX Runtime, which runs the original of an ONNX file, is not installed: pip install onnxruntime"
            ) from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        folder = str(self.path.parent.absolute())
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
        model: Any = self._with_outputs() if self.outputs else str(self.path)
        try:
            session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common base class
            raise ModelFileError(f"ONNX Runtime cannot load {self.path}: {one_line(error)}") from error
        vars(self)["model"] = session

    def _with_outputs(self) -> bytes:
        """The file with further outputs: a message that follows another one adds to its repeated fields."""
        outputs = [ValueInfoProto(name=name) for name in self.outputs]
        return self.path.read_bytes() + b"".join(serialize(ModelProto(graph=GraphProto(output=outputs))))

    @property
    def version(self) -> str:  # type: ignore[override]
        """``ONNX Runtime 1.22.0``."""
        import onnxruntime

        return f"ONNX Runtime {onnxruntime.__version__}"

    @property
    def inputs(self) -> list[tuple[str, tuple[int | None, ...]]]:
        """Element type and shape of each input."""
        return [
            (_dtype(given.type), tuple(size if isinstance(size, int) else None for size in given.shape))
            for given in self.model.get_inputs()
        ]

    @property
    def output_count(self) -> int:
        """The number of output tensors."""
        return len(self._names)

    @property
    def _names(self) -> list[str]:
        return list(self.outputs) or [output.name for output in self.model.get_outputs()]

    def arranged(self, names: Sequence[str], arrays: Sequence[np.ndarray]) -> Any:
        """A single array, or a dict by input name."""
        return arrays[0] if len(arrays) == 1 else dict(zip(names, arrays, strict=True))

    def evaluate(self, inputs: Any) -> list[np.ndarray]:
        """The outputs for an array, a list of arrays, or a dict of arrays by name.

        Raises InputError if ONNX Runtime cannot run the model on them.
        """
        try:
            return tensors(self.model.run(self._names, self._feed(inputs)))
        except Exception as error:  # its exceptions have no common base class
            raise InputError(f"ONNX Runtime cannot run {self.path} on these inputs: {one_line(error)}") from error

    def _feed(self, inputs: Any) -> dict[str, np.ndarray]:
        given = self.model.get_inputs()
        if not isinstance(inputs, Mapping):
            arrays = inputs if isinstance(inputs, (list, tuple)) else [inputs]
            inputs = dict(zip([one.name for one in given], arrays, strict=True))
        return {one.name: np.asarray(inputs[one.name], _dtype(one.type)) for one in given}

    def evaluate_in_float64(self, inputs: Any) -> list[np.ndarray]:
        """The outputs of a copy in float64 by the reference evaluator of the package onnx, or else by ONNX Runtime.

        Raises MissingDependencyError without onnx, which makes the copy, and InputError if neither can compute it.
        """
        if importlib.util.find_spec("onnx") is None:
            raise MissingDependencyError("the package onnx is not installed: pip install onnx")
        feed = {k: v.astype(np.float64) if v.dtype == np.float32 else v for k, v in self._feed(inputs).items()}
        problems = []
        for evaluator, run in (("onnx's reference evaluator", _by_reference), ("ONNX Runtime", _by_runtime)):
            try:
                return run(_in_float64(self.path, self._names), feed)
            except Exception as error:  # whatever it raises, this is no reference then
                problems.append(f"{evaluator} cannot compute it ({type(error).__name__}: {one_line(error)})")
        raise InputError("; ".join(problems))

    def layers(self) -> dict[str, int]:
        """The tensors that nodes compute from the inputs, in the order of computation."""
        known = {value.name for value in self.graph.inputs}
        found: dict[str, int] = {}
        for node in self.graph.nodes:
            if known.intersection(node.inputs):
                known.update(node.outputs)
                found |= {name: 1 for name in node.outputs if name}
        return found

    def ending_in(self, layers: Mapping[str, int]) -> OnnxRuntimeModel:
        """The same model with the tensors ``layers`` as its outputs."""
        return OnnxRuntimeModel(self.path, self.graph, tuple(layers))

    def ways_to_run(self, rows: int) -> dict[str, Callable[[Any], Any]]:
        """A call of the session."""
        return {"ONNX Runtime": lambda inputs: self.model.run(self._names, self._feed(inputs))}


def tensors(results: Sequence[Any]) -> list[np.ndarray]:
    """Results of ONNX Runtime as arrays: those of a sequence one by one, dictionaries of scores as a matrix of float32.

    >>> tensors([[{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}]])
    [array([[1., 2.],
           [3., 4.]], dtype=float32)]
    """
    arrays: list[np.ndarray] = []
    for result in results:
        if isinstance(result, list) and result and isinstance(result[0], dict):
            arrays.append(np.array([list(row.values()) for row in result], np.float32))
        else:
            arrays.extend(result if isinstance(result, list) else [result])
    return arrays


def original(source: str | os.PathLike[str], graph: Graph) -> OnnxRuntimeModel:
    """The file ``source`` in ONNX Runtime; see :meth:`sofie_jit.frontends.base.Translation.original`."""
    return OnnxRuntimeModel(Path(source), graph)


def _dtype(name: str) -> str:
    return DTYPES.get(name, name.removeprefix("tensor(").removesuffix(")"))


def _by_reference(model: Any, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    from onnx.reference import ReferenceEvaluator

    evaluator: Any = ReferenceEvaluator(model)
    return list(evaluator.run(None, dict(feed)))


def _by_runtime(model: Any, feed: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised, too
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, feed))


def _in_float64(path: Path, outputs: Sequence[str]) -> Any:
    """The model of the package onnx, with float64 in place of float32 everywhere, and with these outputs."""
    import onnx
    from onnx import numpy_helper

    single, double = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE

    def widen_tensor(tensor: Any) -> None:
        if tensor.data_type == single:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))

    def widen(graph: Any) -> None:
        for value in (*graph.input, *graph.output, *graph.value_info):
            if value.type.tensor_type.elem_type == single:
                value.type.tensor_type.elem_type = double
        for tensor in graph.initializer:
            widen_tensor(tensor)
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.name in ("to", "dtype", "stash_type") and attribute.i == single:
                    attribute.i = double
                if attribute.name in ("value_float", "value_floats"):
                    single_value = attribute.name == "value_float"
                    values = np.asarray(attribute.f if single_value else attribute.floats, np.float64)
                    node.attribute.remove(attribute)
                    node.attribute.append(onnx.helper.make_attribute("value", numpy_helper.from_array(values)))
                    continue
                widen_tensor(attribute.t)
                if attribute.HasField("g"):
                    widen(attribute.g)

    model = onnx.load(path)
    widen(model.graph)
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    return model
