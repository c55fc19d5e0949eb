"""A model's config -> LayerGraph: all layer calls of the model in one flat list, in an order that can be computed.

Nested models are taken apart: their layers appear with path names (``encoder/dense_1``), once as :class:`Layer`, and
as often as :class:`Call` as they are called. What a call is given is what Keras passes to the layer, with a
:class:`Value` for every tensor.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sofie_jit.errors import ModelFileError
from sofie_jit.parsers.keras.dialects import MODELS, Spec, decode

MAX_CALLS = 100_000
"""Calls of layers and models beyond which a graph of models within models is taken for hostile."""

DTYPES = {"float16": "float32", "bfloat16": "float32", "uint8": "int32", "int8": "int32", "uint16": "int32",
          "int16": "int32", "uint32": "int64"}  # fmt: skip
"""Element types of inputs -> the one they are computed in, which holds all of their values."""


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
        return self.config.get("trainable", True) is not False

    def sublayer(self, path: str, spec: Mapping[str, Any]) -> Layer:
        """The layer that this one wraps as attribute ``path`` (``forward_layer``), with its share of the weights."""
        prefix = f"{path}/"
        weights = {name[len(prefix) :]: w for name, w in self.weights.items() if name.startswith(prefix)}
        return Layer(
            f"{self.name}/{spec['config'].get('name', path)}", spec["class_name"], spec["config"], spec["package"],
            weights, spec["saved_class"], era=spec.get("era", 3),
        )  # fmt: skip


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
    call: Callable[[list[Any], Trace], Any] = field(repr=False)
    """(tensors for the inputs, where to write its calls) -> the structure of its outputs."""

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
    """What the first call of each layer and model gave."""
    count: int = 0

    def append(self, layer: Layer | Model, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Call a layer or a model; the Value of a layer's first output, the structure of a model's outputs."""
        self.count += 1
        if self.count > MAX_CALLS:
            raise ModelFileError(f"the model comes to more than {MAX_CALLS:,} calls of layers; no real model does")
        if isinstance(layer, Model):
            result = _unpack(layer.call(_model_inputs(layer, args, kwargs, self), self))
        else:
            self.calls.append(Call(layer, *_split_states(layer, args, kwargs)))
            result = Value(len(self.calls) - 1, 0)
        self.results.setdefault(layer.name, result)
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

    def cut(self, names: Sequence[str]) -> LayerGraph:
        """The same model ending in the layers or nested models ``names`` (in their first call).

        Raises ModelFileError if there is no such layer.
        """
        for name in names:
            if name not in self.results:
                raise ModelFileError(
                    f"outputs= names '{name}', which is no layer of this model; there are: {_some(self.results)}"
                )
        outputs = _unpack([self.results[name] for name in names])
        labels = [name for name in names for _ in flatten(self.results[name])]
        return replace(self, outputs=outputs, output_names=_unique(labels))

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


# -- building ------------------------------------------------------------------------------------------------------


def build(spec: Spec) -> LayerGraph:
    """The graph of a model's spec (:func:`dialects.modernize`).

    Raises ModelFileError for a model that is not Sequential or Functional, and for a graph that contradicts itself:
    unknown layers, names used twice, cycles.
    """
    if spec["package"] or spec["class_name"] not in MODELS:
        package = f"{spec['package']}>" if spec["package"] else ""
        raise ModelFileError(
            f"the model is of class {package}{spec['class_name']}; only Sequential and Functional models can be read, "
            "because a subclassed model's computation is Python code. If it was made from inputs and outputs, save "
            "keras.Model(model.inputs, model.outputs) instead"
        )
    config = spec["config"]
    name = str(config.get("name") or spec.get("name") or spec["class_name"].lower())
    root = _model(spec, name, name, prefix="")
    inputs = _inputs(spec, root)
    trace = Trace(results={given.name: Value(-1, i) for i, given in enumerate(inputs)})
    outputs = _unpack(root.call([Value(-1, i) for i in range(len(inputs))], trace))
    leaves = flatten(outputs)
    if any(not isinstance(leaf, Value) for leaf in leaves):
        raise ModelFileError(f"model '{name}': an output is not a tensor")
    names = _unique(_output_names(spec))
    return LayerGraph(name, inputs, trace.calls, outputs, names, root, trace.results)


def _inputs(spec: Spec, root: Model) -> list[Input]:
    """The inputs of the whole model, in Keras's order."""
    if spec["class_name"] == "Sequential":
        return [_sequential_input(spec, root)]
    layers = {_name(layer): layer for layer in spec["config"]["layers"]}
    return [_input(name, layers[name]["config"]) for name in root.inputs]


def _input(name: str, options: Mapping[str, Any]) -> Input:
    if options.get("sparse") is True or options.get("ragged") is True:
        kind = "sparse" if options.get("sparse") else "ragged"
        raise ModelFileError(f"input '{name}' is {kind}; only dense inputs are supported, make it dense before saving")
    shape = options.get("batch_shape")
    if shape is None and isinstance(options.get("shape"), (list, tuple)):
        shape = [options.get("batch_size"), *options["shape"]]
    return Input(name, _input_dtype(name, options.get("dtype")), _shape(name, shape))


def _input_dtype(name: str, dtype: Any) -> str:
    if not isinstance(dtype, str):
        return "float32"
    kind = dtype.removeprefix("mixed_")
    if kind == "string":
        raise ModelFileError(f"input '{name}' takes strings; turn them to numbers before the model")
    return DTYPES.get(kind, kind)


def _shape(name: str, shape: Any) -> tuple[int | None, ...] | None:
    if shape is None:
        return None
    if not isinstance(shape, (list, tuple)) or not all(
        n is None or (isinstance(n, int) and not isinstance(n, bool) and n >= 0) for n in shape
    ):
        raise ModelFileError(f"input '{name}': its shape should be a list of sizes and nulls, found {shape!r}")
    return tuple(shape)


def _sequential_input(spec: Spec, root: Model) -> Input:
    """The input of a Sequential model: its InputLayer, or what its first layer or its own config say of the shape."""
    config = spec["config"]
    shape = config.get("build_input_shape")
    while spec["class_name"] == "Sequential" and not spec["package"] and spec["config"]["layers"]:
        spec = spec["config"]["layers"][0]
        shape = spec["config"].get("build_input_shape") or shape
    options, name = spec["config"], root.inputs[0]
    if spec["class_name"] == "Functional" and not spec["package"]:
        first = flatten_refs(options.get("input_layers"))
        if len(first) == 1:
            options = next((x["config"] for x in spec["config"]["layers"] if _name(x) == first[0][0]), options)
    build_config = spec.get("build_config")
    if isinstance(build_config, Mapping):
        shape = shape or build_config.get("input_shape")
    return _input(name, {**options, "batch_shape": options.get("batch_shape") or decode(shape)})


def _name(spec: Spec) -> str:
    name = spec.get("name") or spec["config"].get("name")
    if not isinstance(name, str):
        raise ModelFileError(f"a layer of class {spec['class_name']} has no name")
    return str(name)


def _model(spec: Spec, name: str, own_name: str, prefix: str) -> Model:
    """The model of ``spec``; ``prefix`` is put before the names of its layers."""
    layers: dict[str, Layer | Model] = {}
    for inner in spec["config"]["layers"]:
        inner_name = _name(inner)
        if inner_name in layers:
            raise ModelFileError(f"model '{name}' has two layers called '{inner_name}'; names must be unique")
        if inner["class_name"] in MODELS and not inner["package"]:
            layers[inner_name] = _model(inner, prefix + inner_name, inner_name, f"{prefix}{inner_name}/")
        else:
            layers[inner_name] = Layer(
                prefix + inner_name,
                inner["class_name"],
                inner["config"],
                inner["package"],
                saved_class=inner["saved_class"],
                own_name=inner_name,
                shared_id=inner.get("shared_object_id"),
                era=inner.get("era", 3),
            )
    make = _sequential if spec["class_name"] == "Sequential" else _functional
    inputs, call = make(spec, name, layers)
    trainable = spec["config"].get("trainable", True) is not False
    return Model(name, own_name, spec["class_name"], trainable, list(layers.values()), inputs, call)


def nested(spec: Spec, name: str) -> Model:
    """The model of ``spec`` that stands inside a layer; ``name`` is put before the names of its layers."""
    return _model(spec, name, str(spec["config"].get("name", name)), f"{name}/")


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


def _unpack(structure: Any) -> Any:
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


def _output(result: Value | list[Any], index: int, what: str) -> Any:
    """Tensor ``index`` of what a layer gave, whose outputs are counted only later, or of a list of tensors."""
    if isinstance(result, Value):
        return Value(result.call, index)
    if not 0 <= index < len(result):
        raise ModelFileError(f"{what} refers to output {index} of a model that has {len(result)}")
    return result[index]


# -- Sequential ----------------------------------------------------------------------------------------------------


def _sequential(spec: Spec, name: str, layers: dict[str, Layer | Model]) -> tuple[list[str], Any]:
    if not layers:
        raise ModelFileError(f"Sequential model '{name}' has no layers")
    chain = [layer for layer in layers.values() if not (isinstance(layer, Layer) and layer.class_name == "InputLayer")]
    first_name, first = next(iter(layers.items()))
    if isinstance(first, Layer) and first.class_name == "InputLayer":
        given = first_name
    elif isinstance(first, Model) and len(first.inputs) == 1:
        given = first.inputs[0]
    else:
        given = f"{first_name}_input"  # what Keras calls it

    def call(tensors: list[Any], trace: Trace) -> Any:
        (value,) = tensors
        for layer in chain:
            value = trace.append(layer, (value,), {})
        return value

    return [given], call


# -- Functional ----------------------------------------------------------------------------------------------------

Ref = tuple[str, int, int]
"""A tensor in a config: layer, which of its calls, which of its outputs."""


@dataclass(frozen=True)
class _Ref:
    """A :data:`Ref` among the arguments of a node."""

    layer: str
    node: int
    tensor: int


def _functional(spec: Spec, name: str, layers: dict[str, Layer | Model]) -> tuple[list[str], Any]:
    config = spec["config"]
    for key in ("input_layers", "output_layers"):
        if key not in config:
            raise ModelFileError(f"Functional model '{name}': its config has no '{key}'")
    nodes = {_name(inner): _nodes(inner, layers, name) for inner in config["layers"]}
    outputs = _map_refs(config["output_layers"], lambda ref: _Ref(*ref))
    if not all(isinstance(leaf, _Ref) for leaf in flatten(outputs)) or not flatten(outputs):
        raise ModelFileError(f"Functional model '{name}': its output_layers are {config['output_layers']!r}")
    inputs = [ref[0] for ref in flatten_refs(config["input_layers"])]
    if not inputs or len(set(inputs)) < len(inputs):
        raise ModelFileError(
            f"Functional model '{name}': its inputs are {inputs}; expected one or several different ones"
        )
    for key in inputs:
        layer = layers.get(key)
        if not isinstance(layer, Layer) or layer.class_name != "InputLayer":
            raise ModelFileError(f"Functional model '{name}': its input '{key}' is not one of its InputLayers")
    keras_3 = any(isinstance(node, Mapping) for inner in config["layers"] for node in inner.get("inbound_nodes") or ())
    resolve = _node_numbers(name, layers, nodes, outputs, keras_3)
    order = _sorted_nodes(name, nodes, inputs, layers, resolve, outputs)

    def call(tensors: list[Any], trace: Trace) -> Any:
        results: dict[tuple[str, int], Any] = {(key, 0): [value] for key, value in zip(inputs, tensors, strict=True)}

        def tensor(leaf: Any, in_outputs: bool = False) -> Any:
            if not isinstance(leaf, _Ref):
                return leaf
            return _output(results[resolve(leaf, in_outputs)], leaf.tensor, f"model '{name}'")

        for key, index in order:
            args, kwargs = nodes[key][index]
            result = trace.append(layers[key], map_leaves(tensor, args), map_leaves(tensor, kwargs))
            results[key, index] = flatten(result) if isinstance(layers[key], Model) else result
        return map_leaves(lambda leaf: tensor(leaf, True), outputs)

    return inputs, call


_Node = tuple[tuple[Any, ...], dict[str, Any]]
"""Arguments of one call of a layer, with a _Ref for each tensor."""


def _is_ref(value: Any) -> bool:
    """Whether a list of the config is ``[layer, node, tensor]``, or the same with the call's kwargs at its end."""
    return (
        isinstance(value, (list, tuple))
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(n, int) and not isinstance(n, bool) for n in value[1:3])
        and (len(value) == 3 or isinstance(value[3], Mapping))
    )


def _map_refs(structure: Any, function: Callable[[Ref], Any]) -> Any:
    """The structure of ``input_layers`` or ``output_layers`` with each ``[layer, node, tensor]`` replaced."""
    if _is_ref(structure):
        return function((structure[0], structure[1], structure[2]))
    if isinstance(structure, Mapping):
        return {key: _map_refs(value, function) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return [_map_refs(value, function) for value in structure]
    raise ModelFileError(f"expected [layer, node, tensor] in input_layers and output_layers, found {structure!r}")


def flatten_refs(structure: Any) -> list[Ref]:
    """All ``[layer, node, tensor]`` of ``input_layers`` or ``output_layers``, in Keras's order."""
    found: list[Any] = flatten(_map_refs(structure, lambda ref: _Ref(*ref)))
    return [(ref.layer, ref.node, ref.tensor) for ref in found]


def _nodes(spec: Spec, layers: Mapping[str, Any], model: str) -> list[_Node]:
    """The calls of one layer in the dialects of Keras 1 to 3."""
    inbound = spec.get("inbound_nodes", [])
    if not isinstance(inbound, list):
        raise ModelFileError(f"layer '{_name(spec)}' of model '{model}': inbound_nodes should be a list")
    if spec["class_name"] == "InputLayer":
        return []
    return [_node(node, layers, f"layer '{_name(spec)}' of model '{model}'") for node in inbound]


def _node(node: Any, layers: Mapping[str, Any], where: str) -> _Node:
    if isinstance(node, Mapping) and isinstance(node.get("args"), (list, Mapping)):  # Keras 3
        args, kwargs = decode(node["args"]), decode(node.get("kwargs") or {})
        if not isinstance(args, (list, tuple)) or not isinstance(kwargs, Mapping):
            raise ModelFileError(f"{where}: a call's args should be a list and its kwargs a dict, found {node!r}")
        return tuple(_keras_tensors(value) for value in args), {k: _keras_tensors(v) for k, v in kwargs.items()}

    # Keras 1 and 2: [[layer, node, tensor, kwargs], ...]; every tensor of the first argument carries the same kwargs
    kwargs_found: dict[str, Any] = {}

    def first_argument(value: Any) -> Any:
        if isinstance(value, (list, tuple)) and len(value) >= 3 and value[0] == "_CONSTANT_VALUE":
            if len(value) == 4 and isinstance(value[3], Mapping):
                kwargs_found.update(value[3])
            return decode(value[2])
        if _is_ref(value):
            if len(value) == 4:
                kwargs_found.update(value[3])
            return _Ref(value[0], value[1], value[2])
        if isinstance(value, Mapping):
            return {key: first_argument(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [first_argument(item) for item in value]
        raise ModelFileError(f"{where}: expected [layer, node, tensor] among its inbound_nodes, found {value!r}")

    def other_argument(value: Any) -> Any:
        if _is_ref(value) and len(value) == 3 and value[0] in layers:
            return _Ref(value[0], value[1], value[2])
        if isinstance(value, Mapping):
            return {key: other_argument(item) for key, item in value.items()}
        return [other_argument(item) for item in value] if isinstance(value, (list, tuple)) else value

    argument = first_argument(node)
    if isinstance(argument, list) and len(argument) == 1:
        argument = argument[0]
    return (argument,), {key: other_argument(decode(value)) for key, value in kwargs_found.items()}


def _keras_tensors(value: Any) -> Any:
    """Keras 3's serialized arguments with a _Ref for each tensor."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            config = value.get("config")
            history = config.get("keras_history") if isinstance(config, Mapping) else None
            if history is None or not _is_ref(history):
                raise ModelFileError(f"a tensor's keras_history should be [layer, node, tensor], found {history!r}")
            return _Ref(history[0], history[1], history[2])
        return {key: _keras_tensors(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_keras_tensors(item) for item in value)
    return [_keras_tensors(item) for item in value] if isinstance(value, list) else value


def _node_numbers(
    model: str,
    layers: Mapping[str, Layer | Model],
    nodes: Mapping[str, list[_Node]],
    outputs: Any,
    keras_3: bool,
) -> Callable[[_Ref, bool], tuple[str, int]]:
    """A function from a reference to the call it means.

    Calls are counted from 0, except that a nested model's may be counted from 1, its own graph being number 0: Keras
    1 and 2 do so everywhere, Keras 3 in ``output_layers`` alone, and neither for every Sequential. As all calls of a
    config are referred to, the numbers found mostly tell which.
    """
    found: dict[bool, dict[str, set[int]]] = {False: {}, True: {}}
    inner = [leaf for calls in nodes.values() for node in calls for leaf in flatten([*node[0], *node[1].values()])]
    for in_outputs, leaves in ((False, inner), (True, flatten(outputs))):
        for leaf in leaves:
            if isinstance(leaf, _Ref):
                found[in_outputs].setdefault(leaf.layer, set()).add(leaf.node)

    def first_number(key: str, in_outputs: bool) -> int:
        layer = layers[key]
        if not isinstance(layer, Model):
            return 0
        numbers = found[in_outputs].get(key, set())
        if not keras_3:
            numbers = numbers | found[not in_outputs].get(key, set())
        if len(nodes[key]) in numbers:
            return 1
        if 0 in numbers:
            return 0
        return int(in_outputs and layer.class_name == "Functional") if keras_3 else 1

    first = {
        (key, in_outputs): first_number(key, in_outputs)
        for in_outputs in (False, True)
        for key in found[in_outputs]
        if key in layers
    }

    def resolve(ref: _Ref, in_outputs: bool) -> tuple[str, int]:
        if ref.layer not in layers:
            raise ModelFileError(f"model '{model}' refers to a layer '{ref.layer}', which it does not have")
        if not nodes[ref.layer]:  # an InputLayer
            return ref.layer, 0
        index = ref.node - first[ref.layer, in_outputs]
        if not 0 <= index < len(nodes[ref.layer]):
            raise ModelFileError(
                f"model '{model}' refers to call {ref.node} of layer '{ref.layer}', which is called "
                f"{len(nodes[ref.layer])} times"
            )
        return ref.layer, index

    return resolve


def _sorted_nodes(
    model: str,
    nodes: Mapping[str, list[_Node]],
    inputs: Sequence[str],
    layers: Mapping[str, Layer | Model],
    resolve: Callable[[_Ref, bool], tuple[str, int]],
    outputs: Any,
) -> list[tuple[str, int]]:
    """All calls, each after those it needs, otherwise as the config has them. Raises ModelFileError for a cycle.

    Keras writes layers in the order in which it runs them, which matters where one takes the mask off its input.
    """
    needs: dict[tuple[str, int], set[tuple[str, int]]] = {}
    users: dict[tuple[str, int], list[tuple[str, int]]] = {}
    available = {(key, 0) for key in inputs}
    for key, calls in nodes.items():
        for index, (args, kwargs) in enumerate(calls):
            refs = [leaf for leaf in flatten([*args, *kwargs.values()]) if isinstance(leaf, _Ref)]
            needs[key, index] = {resolve(ref, False) for ref in refs} - available
            for need in needs[key, index]:
                users.setdefault(need, []).append((key, index))
    for need in (*users, *(resolve(ref, True) for ref in flatten(outputs))):
        if need not in needs and need not in available:
            raise ModelFileError(
                f"model '{model}' uses layer '{need[0]}', which is neither called nor one of its inputs"
            )
    numbered = list(needs)
    number_of = {node: number for number, node in enumerate(numbered)}
    ready = [number for number, node in enumerate(numbered) if not needs[node]]  # ascending, so it is a heap
    order = []
    while ready:
        node = numbered[heapq.heappop(ready)]
        order.append(node)
        for user in users.get(node, ()):
            needs[user].discard(node)
            if not needs[user]:
                heapq.heappush(ready, number_of[user])
    if len(order) < len(needs):
        stuck = sorted({key for (key, index), missing in needs.items() if missing})
        raise ModelFileError(f"model '{model}' has a cycle: none of the layers {_some(stuck)} can be computed first")
    return order


# -- names ---------------------------------------------------------------------------------------------------------


def _output_names(spec: Spec) -> list[str]:
    """Keras's ``model.output_names``: the layer each output comes from, a nested model counting as one."""
    if spec["class_name"] == "Functional":
        return [ref[0] for ref in flatten_refs(spec["config"]["output_layers"])]
    return [_name(spec["config"]["layers"][-1])]


def _unique(names: Sequence[str]) -> list[str]:
    """``dense``, ``dense_1``: names made different by a number, as Keras 2 does."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        unique.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return unique


def _some(names: Any, limit: int = 8) -> str:
    listed = list(names)
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")
