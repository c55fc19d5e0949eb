"""The config of a Functional model -> its wiring, for Keras 1 to 3: which tensors each layer is called with."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sofie_jit.errors import ModelFileError
from sofie_jit.frontends.content import some
from sofie_jit.frontends.keras.config_values import decode
from sofie_jit.frontends.keras.dialects import Spec
from sofie_jit.frontends.keras.graph import (
    Layer,
    LayerModel,
    TensorRef,
    Trace,
    Wiring,
    flatten,
    map_leaves,
)
from sofie_jit.frontends.keras.layers.registry import find_builtin
from sofie_jit.records import dataclass


@dataclass(frozen=True)
class Ref:
    """``[layer, node, tensor]`` of a config: a tensor by its layer, the number of the call, and that of the output.

    The number of the call is the one in the file, which does not always begin at 0; see :func:`_node_numbers`.
    """

    layer: str
    node: int
    tensor: int


@dataclass(frozen=True)
class Source:
    """Output ``tensor`` of call ``call`` of a layer, both counted from 0."""

    layer: str
    call: int
    tensor: int


ConfigNode = tuple[tuple[Any, ...], dict[str, Any]]
"""The arguments of one call of a layer, with a Ref for each tensor."""
CallKey = tuple[str, int]
"""The name of a layer within its model, and the number of the call."""


@dataclass(frozen=True)
class Step:
    """One call of a layer: its arguments with a Source for each tensor."""

    layer: Layer | LayerModel
    key: CallKey
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True)
class FunctionalWiring:
    """The wiring of a Functional model: its calls in order, and the structure of its outputs with Sources."""

    name: str
    inputs: Sequence[str]
    steps: Sequence[Step]
    outputs: Any

    def __call__(self, tensors: list[Any], trace: Trace) -> Any:
        results: dict[CallKey, Any] = {(key, 0): [value] for key, value in zip(self.inputs, tensors, strict=True)}

        def tensor(leaf: Any) -> Any:
            if not isinstance(leaf, Source):
                return leaf
            return _output(results[leaf.layer, leaf.call], leaf.tensor, f"model '{self.name}'")

        for step in self.steps:
            args, kwargs = map_leaves(tensor, step.args), map_leaves(tensor, step.kwargs)
            if isinstance(step.layer, Layer):
                args, kwargs = _split_states(step.layer, args, kwargs)
            result = trace.append(step.layer, args, kwargs, number=step.key[1])
            results[step.key] = flatten(result) if isinstance(step.layer, LayerModel) else result
        return map_leaves(tensor, self.outputs)


def spec_name(spec: Spec) -> str:
    """The name of a layer or model."""
    name = spec.get("name") or spec["config"].get("name")
    if not isinstance(name, str):
        raise ModelFileError(f"a layer of class {spec['class_name']} has no name")
    return str(name)


def functional(spec: Spec, name: str, layers: Mapping[str, Layer | LayerModel]) -> tuple[list[str], Wiring]:
    """The names of the inputs of a Functional model, and its wiring.

    Raises ModelFileError if the config contradicts itself.
    """
    config = spec["config"]
    for key in ("input_layers", "output_layers"):
        if key not in config:
            raise ModelFileError(f"Functional model '{name}': its config has no '{key}'")
    nodes = {spec_name(inner): _nodes(inner, layers, name) for inner in config["layers"]}
    outputs = _map_refs(config["output_layers"])
    if not all(isinstance(leaf, Ref) for leaf in flatten(outputs)) or not flatten(outputs):
        raise ModelFileError(f"Functional model '{name}': its output_layers are {config['output_layers']!r}")
    inputs = _input_names(name, config["input_layers"], layers)
    keras_3 = any(isinstance(node, Mapping) for inner in config["layers"] for node in inner.get("inbound_nodes") or ())
    resolve = _node_numbers(name, layers, nodes, outputs, keras_3)
    order = _sorted_nodes(name, nodes, inputs, resolve, outputs)

    def source(leaf: Any, in_outputs: bool = False) -> Any:
        return Source(*resolve(leaf, in_outputs), leaf.tensor) if isinstance(leaf, Ref) else leaf

    steps = [
        Step(
            layers[key],
            (key, index),
            map_leaves(source, nodes[key][index][0]),
            map_leaves(source, nodes[key][index][1]),
        )
        for key, index in order
    ]
    return inputs, FunctionalWiring(name, inputs, steps, map_leaves(lambda leaf: source(leaf, True), outputs))


def _input_names(name: str, input_layers: Any, layers: Mapping[str, Layer | LayerModel]) -> list[str]:
    inputs = [ref.layer for ref in flatten_refs(input_layers)]
    if not inputs or len(set(inputs)) < len(inputs):
        raise ModelFileError(
            f"Functional model '{name}': its inputs are {inputs}; expected one or several different ones"
        )
    for key in inputs:
        layer = layers.get(key)
        if not isinstance(layer, Layer) or layer.class_name != "InputLayer":
            raise ModelFileError(f"Functional model '{name}': its input '{key}' is not one of its InputLayers")
    return inputs


def _output(result: TensorRef | list[Any], index: int, what: str) -> Any:
    """Output ``index`` of a layer, whose number of outputs is not known yet, or of a model, which is a list."""
    if isinstance(result, TensorRef):
        return TensorRef(result.node, index)
    if not 0 <= index < len(result):
        raise ModelFileError(f"{what} refers to output {index} of a model that has {len(result)}")
    return result[index]


def _split_states(layer: Layer, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], Any]:
    """The arguments of a call, with the initial states of a recurrent layer as ``initial_state``.

    Keras 2 appends them to the list of inputs.
    """
    recurrent = not layer.package and find_builtin(layer.class_name).takes("initial_state")
    if recurrent and args and isinstance(args[0], (list, tuple)) and args[0]:
        first, *states = args[0]
        states += args[1:]
        return (first,), {**kwargs, **({"initial_state": states} if states else {})}
    return args, kwargs


# -- references to tensors -----------------------------------------------------------------------------------------


def _is_ref(value: Any) -> bool:
    """Whether a list of the config is ``[layer, node, tensor]``, or that with the call's kwargs at the end."""
    return (
        isinstance(value, (list, tuple))
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(n, int) and not isinstance(n, bool) for n in value[1:3])
        and (len(value) == 3 or isinstance(value[3], Mapping))
    )


def _map_refs(structure: Any) -> Any:
    """The structure of ``input_layers`` or ``output_layers`` with a Ref for each ``[layer, node, tensor]``."""
    if _is_ref(structure):
        return Ref(structure[0], structure[1], structure[2])
    if isinstance(structure, Mapping):
        return {key: _map_refs(value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return [_map_refs(value) for value in structure]
    raise ModelFileError(f"expected [layer, node, tensor] in input_layers and output_layers, found {structure!r}")


def flatten_refs(structure: Any) -> list[Ref]:
    """All tensors of ``input_layers`` or ``output_layers``, in Keras's order."""
    return flatten(_map_refs(structure))


# -- calls in the config -------------------------------------------------------------------------------------------


def _nodes(spec: Spec, layers: Mapping[str, Any], model: str) -> list[ConfigNode]:
    """The calls of one layer, as Keras 1 to 3 write them."""
    inbound = spec.get("inbound_nodes", [])
    if not isinstance(inbound, list):
        raise ModelFileError(f"layer '{spec_name(spec)}' of model '{model}': inbound_nodes should be a list")
    if spec["class_name"] == "InputLayer":
        return []
    return [_node(node, layers, f"layer '{spec_name(spec)}' of model '{model}'") for node in inbound]


def _node(node: Any, layers: Mapping[str, Any], where: str) -> ConfigNode:
    if isinstance(node, Mapping) and isinstance(node.get("args"), (list, tuple, Mapping)):
        return _node_of_keras_3(node, where)
    return _node_of_keras_2(node, layers, where)


def _node_of_keras_3(node: Mapping[str, Any], where: str) -> ConfigNode:
    """``{"args": ..., "kwargs": ...}``."""
    args, kwargs = decode(node["args"]), decode(node.get("kwargs") or {})
    if not isinstance(args, (list, tuple)) or not isinstance(kwargs, Mapping):
        raise ModelFileError(f"{where}: a call's args should be a list and its kwargs a dict, found {node!r}")
    return tuple(_keras_tensors(value) for value in args), {k: _keras_tensors(v) for k, v in kwargs.items()}


def _node_of_keras_2(node: Any, layers: Mapping[str, Any], where: str) -> ConfigNode:
    """``[[layer, node, tensor, kwargs], ...]``: every tensor of the first argument has the same kwargs."""
    kwargs_found: dict[str, Any] = {}

    def first_argument(value: Any) -> Any:
        if isinstance(value, (list, tuple)) and len(value) >= 3 and value[0] == "_CONSTANT_VALUE":
            if len(value) == 4 and isinstance(value[3], Mapping):
                kwargs_found.update(value[3])
            return decode(value[2])
        if _is_ref(value):
            if len(value) == 4:
                kwargs_found.update(value[3])
            return Ref(value[0], value[1], value[2])
        if isinstance(value, Mapping):
            return {key: first_argument(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [first_argument(item) for item in value]
        raise ModelFileError(f"{where}: expected [layer, node, tensor] among its inbound_nodes, found {value!r}")

    def other_argument(value: Any) -> Any:
        if _is_ref(value) and len(value) == 3 and value[0] in layers:
            return Ref(value[0], value[1], value[2])
        if isinstance(value, Mapping):
            return {key: other_argument(item) for key, item in value.items()}
        return [other_argument(item) for item in value] if isinstance(value, (list, tuple)) else value

    argument = first_argument(node)
    if isinstance(argument, list) and len(argument) == 1:
        argument = argument[0]
    return (argument,), {key: other_argument(decode(value)) for key, value in kwargs_found.items()}


def _keras_tensors(value: Any) -> Any:
    """Serialized arguments of Keras 3 with a Ref for each tensor."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            config = value.get("config")
            history = config.get("keras_history") if isinstance(config, Mapping) else None
            if history is None or not _is_ref(history):
                raise ModelFileError(f"a tensor's keras_history should be [layer, node, tensor], found {history!r}")
            return Ref(history[0], history[1], history[2])
        return {key: _keras_tensors(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_keras_tensors(item) for item in value)
    return [_keras_tensors(item) for item in value] if isinstance(value, list) else value


# -- numbers and order of calls ------------------------------------------------------------------------------------


def _node_numbers(
    model: str,
    layers: Mapping[str, Layer | LayerModel],
    nodes: Mapping[str, list[ConfigNode]],
    outputs: Any,
    keras_3: bool,
) -> Callable[[Ref, bool], CallKey]:
    """A function from a reference, and whether it is in ``output_layers``, to the call that it means.

    Calls are counted from 0, except that those of a nested model may be counted from 1, because its own graph is number
    0: Keras 1 and 2 do so everywhere, Keras 3 only in ``output_layers``, and no version does it for every Sequential.
    The numbers in a config usually show which rule applies, because a config refers to all calls.
    """
    found: dict[bool, dict[str, set[int]]] = {False: {}, True: {}}
    inner = [leaf for calls in nodes.values() for node in calls for leaf in flatten([*node[0], *node[1].values()])]
    for in_outputs, leaves in ((False, inner), (True, flatten(outputs))):
        for leaf in leaves:
            if isinstance(leaf, Ref):
                found[in_outputs].setdefault(leaf.layer, set()).add(leaf.node)

    def first_number(key: str, in_outputs: bool) -> int:
        layer = layers[key]
        if not isinstance(layer, LayerModel):
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

    def resolve(ref: Ref, in_outputs: bool) -> CallKey:
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
    nodes: Mapping[str, list[ConfigNode]],
    inputs: Sequence[str],
    resolve: Callable[[Ref, bool], CallKey],
    outputs: Any,
) -> list[CallKey]:
    """All calls, each after those that it needs, otherwise in the order of the config.

    Keras writes layers in the order in which it runs them, which matters where one takes the mask off its input.
    Raises ModelFileError for a cycle, and if a layer is used that is neither called nor an input.
    """
    needs, users = _dependencies(nodes, inputs, resolve)
    available = {(key, 0) for key in inputs}
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


def _dependencies(
    nodes: Mapping[str, list[ConfigNode]], inputs: Sequence[str], resolve: Callable[[Ref, bool], CallKey]
) -> tuple[dict[CallKey, set[CallKey]], dict[CallKey, list[CallKey]]]:
    """For each call the calls that it needs, inputs excluded, and for each of these the calls that need it."""
    needs: dict[CallKey, set[CallKey]] = {}
    users: dict[CallKey, list[CallKey]] = {}
    available = {(key, 0) for key in inputs}
    for key, calls in nodes.items():
        for index, (args, kwargs) in enumerate(calls):
            refs = [leaf for leaf in flatten([*args, *kwargs.values()]) if isinstance(leaf, Ref)]
            needs[key, index] = {resolve(ref, False) for ref in refs} - available
            for need in needs[key, index]:
                users.setdefault(need, []).append((key, index))
    return needs, users
