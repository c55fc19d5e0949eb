"""A Keras model in Keras itself: the reference of ``compare`` and ``bench``.

Keras is imported when :func:`load` is called, Keras 3 as ``keras`` or Keras 2 as ``tf_keras``.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from sofie_jit.errors import InputError, MissingDependencyError, ModelFileError, one_line
from sofie_jit.frontends.base import OriginalModel, leaves
from sofie_jit.frontends.keras.graph import flatten
from sofie_jit.records import dataclass


def load(source: Any, config: Any, keras_version: str, counts: Mapping[str, int] | None = None) -> KerasModel:
    """Loads a model with Keras; a live model is used as it is.

    ``config``: the architecture of a file of weights. ``keras_version``: the version that saved the model; files of
    Keras 1 and 2 are read by tf_keras if it is installed. ``counts``: see :class:`KerasModel`.

    Raises MissingDependencyError without Keras or TensorFlow, ModelFileError if Keras cannot load the file, and
    InputError for an object that is not a Keras model.
    """
    counts = counts or {}
    if not isinstance(source, (str, os.PathLike)):
        return KerasModel(library_of(source), source, counts)
    wanted = ("tf_keras", "keras") if keras_version.startswith(("1.", "2.")) else ("keras",)
    libraries = [name for name in wanted if importlib.util.find_spec(name) and importlib.util.find_spec("tensorflow")]
    if not libraries:
        raise MissingDependencyError(
            "running a model in Keras needs Keras and TensorFlow, which are not installed: pip install tensorflow"
        )
    problems = []
    with _with_suffix(Path(source), is_weights=config is not None) as path:
        for name in libraries:
            module = importlib.import_module(name)
            try:
                if config is None:
                    return KerasModel(module, module.models.load_model(path, compile=False), counts)
                model = module.models.model_from_json(_json_text(config))
                model.load_weights(path)
                return KerasModel(module, model, counts)
            except Exception as error:  # a file may be wrong for this version in any way
                problems.append(f"{name} {module.__version__} cannot load {source}: {one_line(error)}")
    raise ModelFileError("; ".join([*problems, "pass the live keras.Model instead"]))


@contextmanager
def _with_suffix(path: Path, is_weights: bool) -> Iterator[Path]:
    """The file under a name by which Keras, unlike this package, recognizes its format."""
    if not path.is_file() or path.suffix in (".keras", ".h5", ".hdf5"):
        yield path
        return
    with path.open("rb") as file:
        suffix = ".keras" if file.read(2) == b"PK" else ".weights.h5" if is_weights else ".h5"
    with tempfile.TemporaryDirectory(prefix="sofie_jit-") as folder:
        link = Path(folder) / f"model{suffix}"
        link.symlink_to(path.absolute())
        yield link


def _json_text(config: Any) -> str:
    if isinstance(config, Mapping):
        return json.dumps(config)
    text = os.fspath(config)
    return text if text.lstrip().startswith("{") else Path(text).read_text()


def library_of(model: Any) -> ModuleType:
    """The library of a live model, ``keras`` or ``tf_keras``; raises InputError for any other object."""
    names = (kind.__module__.partition(".")[0] for kind in type(model).__mro__)
    name = next((name for name in names if name in ("keras", "tf_keras")), None)
    if name is None:
        raise InputError(f"expected the path of a saved model or a keras.Model, got {type(model).__name__}")
    return importlib.import_module(name)


def _itself(model: Any) -> Any:
    return model


@dataclass(frozen=True)
class KerasModel(OriginalModel):
    """A live Keras model, or a view of it that returns the outputs of some of its layers."""

    module: ModuleType
    """``keras`` or ``tf_keras``."""
    model: Any
    counts: Mapping[str, int] = field(default_factory=dict)
    """Name -> number of outputs of the layers that ``sofie_jit.load`` accepts in ``outputs=``."""
    view: Callable[[Any], Any] = _itself
    """The model that is evaluated, as a function of ``model``."""

    library = "Keras"

    @property
    def version(self) -> str:  # type: ignore[override]
        """``Keras 3.9.0``, or ``tf_Keras 2.16.0``."""
        return f"{self.module.__name__.replace('keras', 'Keras')} {self.module.__version__}"

    @property
    def inputs(self) -> list[tuple[str, tuple[int | None, ...]]]:
        """Element type and shape of each input."""
        return [(np.dtype(given.dtype).name, tuple(given.shape)) for given in self.model.inputs]

    @property
    def output_count(self) -> int:
        """The number of output tensors."""
        return len(self.model.outputs)

    def arranged(self, names: Sequence[str], arrays: Sequence[np.ndarray]) -> Any:
        """The arrays as the model takes them: one array, a list, or a dict by name."""
        if len(arrays) == 1:
            return arrays[0]
        by_name = isinstance(_input_structure(self.model), Mapping)
        return dict(zip(names, arrays, strict=True)) if by_name else list(arrays)

    def evaluate(self, inputs: Any) -> list[np.ndarray]:
        """The outputs for ``inputs``; stateful layers start from zero."""
        return _evaluate(self.view(self.model), inputs)

    def evaluate_in_float64(self, inputs: Any) -> list[np.ndarray]:
        """The outputs of the model rebuilt in float64. Raises InputError if Keras cannot do that."""
        try:
            return _evaluate(self.view(in_float64(self.model)), inputs)
        except Exception as error:  # whatever Keras raises, there is no reference then
            raise InputError(f"Keras cannot rebuild it in float64: {one_line(error)}") from error

    def layers(self) -> dict[str, int]:
        """Name -> number of outputs of each layer and operation, those of nested models included, in order."""
        return {name: self.counts[name] for name in _layer_outputs(self.model) if name in self.counts}

    def ending_in(self, layers: Mapping[str, int]) -> KerasModel:
        """The same model with the outputs of ``layers`` as its outputs.

        For a layer that returns several tensors of which ``outputs=`` gives one, that is the first.
        """

        def ended(model: Any) -> Any:
            found = _layer_outputs(model)
            outputs = [tensor for name, count in layers.items() for tensor in found[name][:count]]
            return library_of(model).Model(_input_structure(model), outputs)

        return dataclasses.replace(self, view=ended)

    def ways_to_run(self, rows: int) -> dict[str, Callable[[Any], Any]]:
        """``model(x)``, ``predict``, and ``tf.function`` if TensorFlow is the backend."""
        model = self.model
        ways: dict[str, Callable[[Any], Any]] = {
            "model(x)": lambda x: _call(model, x),
            "predict": lambda x: model.predict(x, batch_size=max(rows, 1), verbose=0),
        }
        if self.module.backend.backend() == "tensorflow":
            import tensorflow as tf

            graph = tf.function(lambda x: model(x, training=False))
            ways["tf.function"] = lambda x: _map(np.asarray, graph(_map(tf.constant, x)))
        return ways


# -- evaluation ------------------------------------------------------------------------------------------------------


def in_float64(model: Any) -> Any:
    """A copy of a Keras model that computes in float64; raises what Keras raises if it cannot be rebuilt."""
    library = library_of(model)

    def to_float64(config: Any) -> Any:
        if isinstance(config, dict):
            return {
                key: "float64" if key == "dtype" and _is_float(value) else to_float64(value)
                for key, value in config.items()
            }
        if isinstance(config, (list, tuple)):
            return type(config)(map(to_float64, config))
        return config

    before = library.backend.floatx()
    library.backend.set_floatx("float64")
    try:
        twin = type(model).from_config(to_float64(model.get_config()))
        twin.set_weights(model.get_weights())
        finalize(twin)
    finally:
        library.backend.set_floatx(before)
    return twin


def finalize(model: Any) -> Any:
    """Makes layers that derive values from their weights (Normalization) derive them again; returns the model."""
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return model


def _is_float(value: Any) -> bool:
    if isinstance(value, dict):
        value = value.get("config", {}).get("name", "")
    return value is None or str(value).startswith(("float", "mixed"))


def _evaluate(model: Any, inputs: Any) -> list[np.ndarray]:
    for layer in model._flatten_layers():
        if getattr(layer, "stateful", False):  # the method's name in Keras 3, and in Keras 2
            reset = getattr(layer, "reset_state", None) or layer.reset_states
            reset()
    return leaves(_call(model, inputs))


def _call(model: Any, inputs: Any) -> Any:
    return _map(np.asarray, model(inputs, training=False))


def _map(function: Callable[[Any], Any], structure: Any) -> Any:
    if isinstance(structure, Mapping):
        return {key: _map(function, value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return [_map(function, value) for value in structure]
    return function(structure)


# -- Keras's graph ---------------------------------------------------------------------------------------------------


def _input_structure(model: Any) -> Any:
    """The model's symbolic inputs in the structure that it takes arrays in."""
    graph = getattr(model, "_functional", None) or model
    found = getattr(graph, "_inputs_struct", getattr(graph, "_nested_inputs", model.inputs))
    return found[0] if isinstance(found, (list, tuple)) and len(found) == 1 else found


def _layer_outputs(model: Any) -> dict[str, list[Any]]:
    """The symbolic outputs of the first call of each layer and operation of a Functional or Sequential model, in order.

    Layers of nested models come before these and are named with their path: ``encoder/dense_1``.
    """
    depths = _nodes_by_depth(model)
    if not depths:
        raise InputError("only the layers of Sequential and Functional models can be compared")
    nodes = [node for depth in sorted(depths, reverse=True) for node in depths[depth]]
    first: dict[str, Any] = {}
    for node in sorted(nodes, key=_number, reverse=True):
        first[_operation(node).name] = node
    found: dict[str, list[Any]] = {}
    for node in nodes:
        operation = _operation(node)
        if type(operation).__name__ == "InputLayer" or node is not first[operation.name]:
            continue
        if _nodes_by_depth(operation):
            found |= {f"{operation.name}/{name}": made for name, made in _inner_outputs(operation, node).items()}
        found[operation.name] = flatten([node.output_tensors if hasattr(node, "output_tensors") else node.outputs])
    return found


def _operation(node: Any) -> Any:
    """The layer or operation that a node of Keras 3, or of Keras 2, calls."""
    return getattr(node, "operation", None) or node.layer


def _number(node: Any) -> int:
    """The number of calls of the node's layer before this one."""
    return next(i for i, other in enumerate(_operation(node)._inbound_nodes) if other is node)


def _nodes_by_depth(model: Any) -> Mapping[int, Any] | None:
    """Keras's graph of a Functional or Sequential model; None for any other object."""
    found: Mapping[int, Any] | None = getattr(getattr(model, "_functional", model), "_nodes_by_depth", None)
    return found


def _inner_outputs(model: Any, node: Any) -> dict[str, list[Any]]:
    """The outputs of the layers of a nested model that is called as in ``node``."""
    inner = _layer_outputs(model)
    twin = library_of(model).Model(_input_structure(model), [tensor for made in inner.values() for tensor in made])
    given = getattr(node, "arguments", None)  # of Keras 3
    args, kwargs = (given.args, given.kwargs) if given else (node.call_args, node.call_kwargs)
    outputs = iter(flatten([twin(*args, **kwargs)]))
    return {name: [next(outputs) for _ in made] for name, made in inner.items()}
