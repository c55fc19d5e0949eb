"""A model as one flat list of calls of layers, in an order in which they can be computed.

Nested models are flattened: their layers appear with path names (``encoder/dense_1``), once as :class:`Layer`, and
once per call as :class:`LayerNode`. The arguments of a node are those that Keras passes to the layer, with a
:class:`TensorRef` for every tensor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Protocol

import numpy as np

from sofie_jit.errors import ModelFileError, counted
from sofie_jit.frontends.content import some
from sofie_jit.records import dataclass

MAX_NODES = 100_000
"""Maximum number of calls of layers and models; a graph of nested models with more is rejected as hostile."""


@dataclass(eq=False)
class Layer:
    """A layer of the model; a shared layer is called several times."""

    name: str
    """The name with those of the models around it: ``encoder/dense_1``."""
    class_name: str
    config: Mapping[str, Any]
    """The options as Keras 3 names them."""
    package: str = ""
    """'' for a class of Keras itself."""
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    """The arrays by the names that the layer's handler uses."""
    saved_class: str = ""
    """The class name in the file."""
    own_name: str = ""
    """The name without those of the models around it; it may contain slashes itself."""
    shared_id: Any = None
    """The id by which Keras 3 marks a layer that appears in several models."""
    keras_major: int = 3
    """The major version of Keras that wrote it: 1, 2 or 3."""
    keras_version: str = ""
    """The version of Keras that wrote it, such as '3.6.0'; '' if it is unknown."""
    backend: str = ""
    """The backend that it was trained with, such as 'theano'; '' if it is unknown."""

    def __str__(self) -> str:
        package = f"{self.package}>" if self.package else ""
        return f"{self.name} ({package}{self.class_name})"

    @property
    def trainable(self) -> bool:
        """Whether its config says that it is trained, which is the default."""
        return self.config.get("trainable", True) is not False

    def sublayer(self, path: str, spec: Mapping[str, Any]) -> Layer:
        """The layer that this one wraps as attribute ``path`` (``forward_layer``), with its share of the weights."""
        prefix = f"{path}/"
        weights = {name[len(prefix) :]: w for name, w in self.weights.items() if name.startswith(prefix)}
        return Layer(
            f"{self.name}/{spec['config'].get('name', path)}", spec["class_name"], spec["config"], spec["package"],
            weights, spec["saved_class"], keras_major=spec.get("keras_major", 3),
            keras_version=spec.get("keras_version", ""), backend=spec.get("backend", ""),
        )  # fmt: skip


class Wiring(Protocol):
    """Expands a call of a model into calls of its layers."""

    def __call__(self, tensors: list[Any], trace: Trace) -> Any:
        """Appends the calls to ``trace``, given tensors for the inputs; returns the structure of the outputs."""


@dataclass(eq=False)
class LayerModel:
    """A model or nested model: its layers and models, and how a call of it becomes calls of them."""

    name: str
    own_name: str
    class_name: str
    trainable: bool
    layers: list[Layer | LayerModel]
    """In Keras's order, which is that of the weights."""
    inputs: list[str]
    """The names of its InputLayers in order; one name for a Sequential."""
    wiring: Wiring = field(repr=False)
    custom_class: str = ""
    """The name of the custom class that it was saved as; '' for Keras's classes."""

    def leaves(self) -> Iterator[tuple[Layer, bool]]:
        """All layers in order, each with whether it is trainable, which the models around it must be too."""
        for layer in self.layers:
            if isinstance(layer, Layer):
                yield layer, self.trainable and layer.trainable
            else:
                yield from ((leaf, self.trainable and trainable) for leaf, trainable in layer.leaves())


@dataclass(frozen=True)
class TensorRef:
    """A tensor: output ``index`` of ``nodes[node]``, or, if ``node`` is -1, input ``index`` of the graph."""

    node: int
    index: int


@dataclass(frozen=True)
class LayerNode:
    """One call of a layer; ``args`` and ``kwargs`` are as Keras passes them, nested, with a TensorRef per tensor."""

    layer: Layer
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def tensors(self) -> list[TensorRef]:
        """The tensors among its arguments."""
        return [leaf for leaf in flatten([*self.args, *self.kwargs.values()]) if isinstance(leaf, TensorRef)]


@dataclass
class Trace:
    """The calls of layers that have been found so far by calling a model."""

    nodes: list[LayerNode] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    """The result of the first call of each layer and model: the first that was made, not the first to be computed."""
    numbers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """For each of these the number of the call, after those of the models around it."""
    around: tuple[int, ...] = ()
    """The numbers of the calls of models that are being traced."""
    count: int = 0

    def append(
        self, layer: Layer | LayerModel, args: tuple[Any, ...], kwargs: Mapping[str, Any], number: int = 0
    ) -> Any:
        """Calls a layer or a model; returns the TensorRef of a layer's first output, or the structure of a model's.

        ``number`` counts the calls of it in the model around it, from 0.
        """
        self.count += 1
        if self.count > MAX_NODES:
            raise ModelFileError(f"the model has more than {MAX_NODES:,} calls of layers; no real model has so many")
        numbers = (*self.around, number)
        if isinstance(layer, LayerModel):
            tensors = _model_inputs(layer, args, kwargs, self)
            outside, self.around = self.around, numbers
            result = unpack(layer.wiring(tensors, self))
            self.around = outside
        else:
            self.nodes.append(LayerNode(layer, args, kwargs))
            result = TensorRef(len(self.nodes) - 1, 0)
        if layer.name not in self.results or numbers < self.numbers.get(layer.name, ()):
            self.results[layer.name], self.numbers[layer.name] = result, numbers
        return result


@dataclass(frozen=True)
class Input:
    """An input of the model."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None
    """The batch first; None for an open axis, or if the config has no shape."""


@dataclass(frozen=True)
class LayerGraph:
    """A whole model, flattened."""

    name: str
    inputs: list[Input]
    nodes: list[LayerNode]
    outputs: Any
    """A TensorRef, or a list or dict of them, as Keras returns them."""
    output_names: list[str]
    """Keras's names of the outputs, the layers that compute them, in the order of ``flatten(outputs)``."""
    root: LayerModel
    results: Mapping[str, Any]
    """Name of a layer or nested model -> the result of its first call."""
    source: str = ""
    """The name of the file in messages."""
    input_keys: Mapping[str, str] = field(default_factory=dict)
    """The keys of a model that takes a dict of inputs -> names of the inputs."""

    def cut(self, names: Sequence[str]) -> LayerGraph:
        """The model that ends in the layers or nested models ``names``, in their first calls.

        Raises ModelFileError if there is no such layer.
        """
        for name in names:
            if name not in self.results:
                raise ModelFileError(
                    f"outputs= names '{name}', which is not a layer of this model; its layers are: {some(self.results)}"
                )
        outputs = unpack([self.results[name] for name in names])
        labels = [name for name in names for _ in flatten(self.results[name])]
        return replace(self, outputs=outputs, output_names=unique(labels))

    def needed(self) -> list[int]:
        """The indices of the nodes that the outputs depend on, in order."""
        found: set[int] = set()
        todo = [tensor.node for tensor in flatten(self.outputs)]
        while todo:
            index = todo.pop()
            if index >= 0 and index not in found:
                found.add(index)
                todo.extend(tensor.node for tensor in self.nodes[index].tensors())
        return sorted(found)


# -- nested structures ---------------------------------------------------------------------------------------------


def map_leaves(function: Callable[[Any], Any], structure: Any) -> Any:
    """``structure`` with ``function`` applied to everything that is not a list, tuple or dict.

    >>> map_leaves(abs, [-1, {"a": (2, -3)}])
    [1, {'a': (2, 3)}]
    """
    if isinstance(structure, Mapping):
        return {key: map_leaves(function, value) for key, value in structure.items()}
    if isinstance(structure, tuple):
        return tuple(map_leaves(function, value) for value in structure)
    if isinstance(structure, list):
        return [map_leaves(function, value) for value in structure]
    return function(structure)


def flatten(structure: Any) -> list[Any]:
    """The leaves of nested lists, tuples and dicts; dicts in the order of their sorted keys, as in Keras.

    >>> flatten([1, {"b": 2, "a": (3, 4)}])
    [1, 3, 4, 2]
    """
    if isinstance(structure, Mapping):
        return [leaf for key in sorted(structure, key=str) for leaf in flatten(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [leaf for value in structure for leaf in flatten(value)]
    return [structure]


def unpack(structure: Any) -> Any:
    """The element of a list of one, and everything else as it is: Keras returns a single output without a list."""
    return structure[0] if isinstance(structure, (list, tuple)) and len(structure) == 1 else structure


# -- calling a nested model ----------------------------------------------------------------------------------------


def _model_inputs(model: LayerModel, args: tuple[Any, ...], kwargs: Mapping[str, Any], trace: Trace) -> list[Any]:
    """The tensors for a nested model's inputs, from the arguments that it is called with.

    Masks among the arguments are attached by a call of ``ops.AttachMask``, an operation of this package.
    """
    if kwargs.get("training"):
        raise ModelFileError(f"model '{model.name}' is called with training=True; only inference is supported")
    extra = [key for key, value in kwargs.items() if value is not None and key not in ("training", "mask")]
    if extra or len(args) != 1:
        raise ModelFileError(
            f"nested model '{model.name}' is called with {counted(len(args), 'argument')}"
            f"{' and ' + ', '.join(extra) if extra else ''}; expected its inputs alone"
        )
    given = args[0]
    by_name = isinstance(given, Mapping) and set(model.inputs) <= set(given)
    tensors = [given[key] for key in model.inputs] if by_name else flatten(given)
    if len(tensors) != len(model.inputs):
        raise ModelFileError(
            f"model '{model.name}' has {counted(len(model.inputs), 'input')} and is called with "
            f"{counted(len(tensors), 'tensor')}"
        )
    masks = flatten(kwargs.get("mask"))
    for index, mask in enumerate(masks[: len(tensors)]):
        if mask is not None:
            attach = Layer(f"{model.name}/mask", "ops.AttachMask", {})
            tensors[index] = trace.append(attach, (tensors[index], mask), {})
    return tensors


# -- names ---------------------------------------------------------------------------------------------------------


def unique(names: Sequence[str]) -> list[str]:
    """``names`` made different by numbers, as Keras 2 does.

    >>> unique(["dense", "add", "dense"])
    ['dense', 'add', 'dense_1']
    """
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        unique.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return unique
