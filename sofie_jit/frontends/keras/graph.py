"""A model as one flat list of layer calls, in an order that can be computed: what building and translating share.

Nested models are taken apart: their layers appear with path names (``encoder/dense_1``), once as :class:`Layer`, and
as often as :class:`Call` as they are called. What a call is given is what Keras passes to the layer, with a
:class:`Value` for every tensor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from sofie_jit.errors import ModelFileError

MAX_CALLS = 100_000
"""Calls of layers and models beyond which a graph of models within models is taken for hostile."""


@dataclass(eq=False)
class Layer:
    """A layer of the model; called several times if it is shared."""

    name: str
    """With the names of the models around it: ``encoder/dense_1``."""
    class_name: str
    config: Mapping[str, Any]
    """Options in Keras 3's dialect."""
    package: str = ""
    """'' for a class of Keras itself."""
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    """By the names that the layer's handler gives them."""
    saved_class: str = ""
    """The class as the file has it."""
    own_name: str = ""
    """The name without those of the models around it, which may hold slashes of their own."""
    shared_id: Any = None
    """What Keras 3 marks one layer with that appears in several models."""
    era: int = 3
    """Major version of the Keras that wrote it, where its meaning cannot be put in Keras 3's words."""

    def __str__(self) -> str:
        package = f"{self.package}>" if self.package else ""
        return f"{self.name} ({package}{self.class_name})"

    @property
    def trainable(self) -> bool:
        """What its config says; true if that says nothing."""
        return self.config.get("trainable", True) is not False

    def sublayer(self, path: str, spec: Mapping[str, Any]) -> Layer:
        """The layer that this one wraps as attribute ``path`` (``forward_layer``), with its share of the weights."""
        prefix = f"{path}/"
        weights = {name[len(prefix) :]: w for name, w in self.weights.items() if name.startswith(prefix)}
        return Layer(
            f"{self.name}/{spec['config'].get('name', path)}", spec["class_name"], spec["config"], spec["package"],
            weights, spec["saved_class"], era=spec.get("era", 3),
        )  # fmt: skip


class Wiring(Protocol):
    """How a call of a model becomes calls of its layers."""

    def __call__(self, tensors: list[Any], trace: Trace) -> Any:
        """Writes the calls to ``trace``, given tensors for the inputs; returns the structure of the outputs."""


@dataclass(eq=False)
class Model:
    """A (nested) model: its layers and models, and how a call of it becomes calls of them."""

    name: str
    own_name: str
    class_name: str
    trainable: bool
    layers: list[Layer | Model]
    """In Keras's order, which is that of the weights."""
    inputs: list[str]
    """Names of its InputLayers in order; for a Sequential one name."""
    wiring: Wiring = field(repr=False)

    def leaves(self) -> Iterator[tuple[Layer, bool]]:
        """All layers in order, and whether they are trainable, the models around them considered."""
        for layer in self.layers:
            if isinstance(layer, Layer):
                yield layer, self.trainable and layer.trainable
            else:
                yield from ((leaf, self.trainable and trainable) for leaf, trainable in layer.leaves())


@dataclass(frozen=True)
class Value:
    """A tensor: output ``index`` of ``calls[call]``, or, if ``call`` is -1, input ``index`` of the graph."""

    call: int
    index: int


@dataclass(frozen=True)
class Call:
    """One call of a layer; ``args`` and ``kwargs`` are as Keras passes them, nested, with a Value for each tensor."""

    layer: Layer
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def values(self) -> list[Value]:
        """The tensors it is given."""
        return [leaf for leaf in flatten([*self.args, *self.kwargs.values()]) if isinstance(leaf, Value)]


@dataclass
class Trace:
    """What calling a model has come to so far."""

    calls: list[Call] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    """What the first call of each layer and model gave: the first that was made, which may not be computed first."""
    numbers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Which call of each it is, after those of the models around it."""
    around: tuple[int, ...] = ()
    """Which calls of the models around are being traced."""
    count: int = 0

    def append(self, layer: Layer | Model, args: tuple[Any, ...], kwargs: Mapping[str, Any], number: int = 0) -> Any:
        """Call a layer or a model; the Value of a layer's first output, the structure of a model's outputs.

        ``number``: how many calls of it were made before this one, in the model around it.
        """
        self.count += 1
        if self.count > MAX_CALLS:
            raise ModelFileError(f"the model comes to more than {MAX_CALLS:,} calls of layers; no real model does")
        numbers = (*self.around, number)
        if isinstance(layer, Model):
            tensors = _model_inputs(layer, args, kwargs, self)
            outside, self.around = self.around, numbers
            result = unpack(layer.wiring(tensors, self))
            self.around = outside
        else:
            self.calls.append(Call(layer, *_split_states(layer, args, kwargs)))
            result = Value(len(self.calls) - 1, 0)
        if layer.name not in self.results or numbers < self.numbers.get(layer.name, ()):
            self.results[layer.name], self.numbers[layer.name] = result, numbers
        return result


@dataclass(frozen=True)
class Input:
    """An input of the model. ``shape`` has None for the batch and for dimensions left open; None: not in the config."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class LayerGraph:
    """A whole model, flat."""

    name: str
    inputs: list[Input]
    calls: list[Call]
    outputs: Any
    """A Value, or a list or dict of them, as Keras returns them."""
    output_names: list[str]
    """Keras's names of the outputs in the order of ``flatten(outputs)``: the layers that compute them."""
    root: Model
    results: Mapping[str, Any]
    """Name of a layer or nested model -> what its first call gives."""
    source: str = ""
    """What messages call the file."""

    def cut(self, names: Sequence[str]) -> LayerGraph:
        """The same model ending in the layers or nested models ``names`` (in their first call).

        Raises ModelFileError if there is no such layer.
        """
        for name in names:
            if name not in self.results:
                raise ModelFileError(
                    f"outputs= names '{name}', which is no layer of this model; there are: {some(self.results)}"
                )
        outputs = unpack([self.results[name] for name in names])
        labels = [name for name in names for _ in flatten(self.results[name])]
        return replace(self, outputs=outputs, output_names=unique(labels))

    def needed(self) -> list[int]:
        """Numbers of the calls that the outputs depend on, in order."""
        found: set[int] = set()
        todo = [value.call for value in flatten(self.outputs)]
        while todo:
            index = todo.pop()
            if index >= 0 and index not in found:
                found.add(index)
                todo.extend(value.call for value in self.calls[index].values())
        return sorted(found)


# -- nested structures ---------------------------------------------------------------------------------------------


def map_leaves(function: Callable[[Any], Any], structure: Any) -> Any:
    """``structure`` with ``function`` applied to what is not a list, tuple or dict."""
    if isinstance(structure, Mapping):
        return {key: map_leaves(function, value) for key, value in structure.items()}
    if isinstance(structure, tuple):
        return tuple(map_leaves(function, value) for value in structure)
    if isinstance(structure, list):
        return [map_leaves(function, value) for value in structure]
    return function(structure)


def flatten(structure: Any) -> list[Any]:
    """The leaves of nested lists, tuples and dicts; dicts in the order of their keys sorted, as Keras does."""
    if isinstance(structure, Mapping):
        return [leaf for key in sorted(structure, key=str) for leaf in flatten(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [leaf for value in structure for leaf in flatten(value)]
    return [structure]


# -- calling -------------------------------------------------------------------------------------------------------


def _model_inputs(model: Model, args: tuple[Any, ...], kwargs: Mapping[str, Any], trace: Trace) -> list[Any]:
    """The tensors for a nested model's inputs, from the arguments it is called with.

    Masks given with them are attached by a call of ``ops.AttachMask``, an operation of ours.
    """
    if kwargs.get("training"):
        raise ModelFileError(f"model '{model.name}' is called with training=True; only inference is translated")
    extra = [key for key, value in kwargs.items() if value is not None and key not in ("training", "mask")]
    if extra or len(args) != 1:
        raise ModelFileError(
            f"nested model '{model.name}' is called with {len(args)} arguments"
            f"{' and ' + ', '.join(extra) if extra else ''}; expected its inputs alone"
        )
    given = args[0]
    by_name = isinstance(given, Mapping) and set(model.inputs) <= set(given)
    tensors = [given[key] for key in model.inputs] if by_name else flatten(given)
    if len(tensors) != len(model.inputs):
        raise ModelFileError(
            f"model '{model.name}' has {len(model.inputs)} inputs and is called with {len(tensors)} tensors"
        )
    masks = flatten(kwargs.get("mask"))
    for index, mask in enumerate(masks[: len(tensors)]):
        if mask is not None:
            attach = Layer(f"{model.name}/mask", "ops.AttachMask", {})
            tensors[index] = trace.append(attach, (tensors[index], mask), {})
    return tensors


def unpack(structure: Any) -> Any:
    """What a list of one holds: Keras returns a single output as it is."""
    return structure[0] if isinstance(structure, (list, tuple)) and len(structure) == 1 else structure


RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "CuDNNLSTM", "CuDNNGRU", "Bidirectional",
             "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")  # fmt: skip


def _split_states(layer: Layer, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], Any]:
    """Keras 2 writes initial states into the list of inputs; here they always come as ``initial_state``."""
    if layer.class_name in RECURRENT and not layer.package and args and isinstance(args[0], (list, tuple)) and args[0]:
        first, *states = args[0]
        states += args[1:]
        return (first,), {**kwargs, **({"initial_state": states} if states else {})}
    return args, kwargs


# -- names ---------------------------------------------------------------------------------------------------------


def unique(names: Sequence[str]) -> list[str]:
    """``dense``, ``dense_1``: names made different by a number, as Keras 2 does."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        unique.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return unique


def some(names: Any, limit: int = 8) -> str:
    """The first ``limit`` names, and how many more there are."""
    listed = list(names)
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")
