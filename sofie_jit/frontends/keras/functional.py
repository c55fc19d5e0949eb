"""The config of a Functional model -> its wiring: who is given what, in the dialects of Keras 1 to 3."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sofie_jit.errors import ModelFileError
from sofie_jit.frontends.keras.dialects import Spec, decode
from sofie_jit.frontends.keras.graph import Layer, Model, Trace, Value, Wiring, flatten, map_leaves, some

Ref = tuple[str, int, int]
"""A tensor in a config: layer, which of its calls, which of its outputs."""


@dataclass(frozen=True)
class _Ref:
    """A :data:`Ref` among the arguments of a node."""

    layer: str
    node: int
    tensor: int


def spec_name(spec: Spec) -> str:
    """The name of a layer or model."""
    name = spec.get("name") or spec["config"].get("name")
    if not isinstance(name, str):
        raise ModelFileError(f"a layer of class {spec['class_name']} has no name")
    return str(name)


def functional(spec: Spec, name: str, layers: Mapping[str, Layer | Model]) -> tuple[list[str], Wiring]:
    """Names of the inputs of a Functional model, and its wiring; ModelFileError if the config contradicts itself."""
    config = spec["config"]
    for key in ("input_layers", "output_layers"):
        if key not in config:
            raise ModelFileError(f"Functional model '{name}': its config has no '{key}'")
    nodes = {spec_name(inner): _nodes(inner, layers, name) for inner in config["layers"]}
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

    def source(leaf: Any, in_outputs: bool = False) -> Any:
        return Source(*resolve(leaf, in_outputs), leaf.tensor) if isinstance(leaf, _Ref) else leaf

    steps = [
        Step(
            layers[key],
            (key, index),
            map_leaves(source, nodes[key][index][0]),
            map_leaves(source, nodes[key][index][1]),
        )
        for key, index in order
    ]
    return inputs, Graph(name, inputs, steps, map_leaves(lambda leaf: source(leaf, True), outputs))


@dataclass(frozen=True)
class Source:
    """Tensor ``tensor`` of call ``call`` of a layer, both counted from 0."""

    layer: str
    call: int
    tensor: int


@dataclass(frozen=True)
class Step:
    """One call of a layer: its arguments with a Source for each tensor."""

    layer: Layer | Model
    key: tuple[str, int]
    """The layer's name within its model, and the number of the call."""
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True)
class Graph:
    """The wiring of a Functional model: its calls in order, and the structure of its outputs with Sources."""

    name: str
    inputs: Sequence[str]
    steps: Sequence[Step]
    outputs: Any

    def __call__(self, tensors: list[Any], trace: Trace) -> Any:
        results: dict[tuple[str, int], Any] = {
            (key, 0): [value] for key, value in zip(self.inputs, tensors, strict=True)
        }

        def tensor(leaf: Any) -> Any:
            if not isinstance(leaf, Source):
                return leaf
            return _output(results[leaf.layer, leaf.call], leaf.tensor, f"model '{self.name}'")

        for step in self.steps:
            args, kwargs = map_leaves(tensor, step.args), map_leaves(tensor, step.kwargs)
            result = trace.append(step.layer, args, kwargs, number=step.key[1])
            results[step.key] = flatten(result) if isinstance(step.layer, Model) else result
        return map_leaves(tensor, self.outputs)


def _output(result: Value | list[Any], index: int, what: str) -> Any:
    """Tensor ``index`` of what a layer gave, whose outputs are counted only later, or of a list of tensors."""
    if isinstance(result, Value):
        return Value(result.call, index)
    if not 0 <= index < len(result):
        raise ModelFileError(f"{what} refers to output {index} of a model that has {len(result)}")
    return result[index]


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
        raise ModelFileError(f"layer '{spec_name(spec)}' of model '{model}': inbound_nodes should be a list")
    if spec["class_name"] == "InputLayer":
        return []
    return [_node(node, layers, f"layer '{spec_name(spec)}' of model '{model}'") for node in inbound]


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
        raise ModelFileError(f"model '{model}' has a cycle: none of the layers {some(stuck)} can be computed first")
    return order
