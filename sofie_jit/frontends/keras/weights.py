"""Assigns the arrays of a file to the weights of its layers.

A handler names its layer's weights in Keras's order ("kernel", "bias"; "cell/kernel" for those of a sublayer). This
module gives every :class:`Layer` its arrays by these names, found as Keras finds them, and checks all counts. Shapes
are checked by the handlers, which know them.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from posixpath import dirname
from typing import Any

import numpy as np

from sofie_jit.errors import WeightsError, counted
from sofie_jit.frontends.content import some
from sofie_jit.frontends.keras.build import nested
from sofie_jit.frontends.keras.dialects import MODELS
from sofie_jit.frontends.keras.graph import Layer, LayerModel
from sofie_jit.frontends.keras.layers.registry import OPTIONAL
from sofie_jit.frontends.keras.lora import LORA_OPTIONS, merged
from sofie_jit.frontends.keras.nested_weights import plausible_orders
from sofie_jit.frontends.keras.old_weights import convert_weights, split_gates
from sofie_jit.frontends.keras.origin import keras_major
from sofie_jit.frontends.keras.saved_model import (
    AttributePaths,
    Group,
    LayerGroups,
    SavedModel,
    Weight,
    is_training_state,
)
from sofie_jit.ir.weights import as_weight

NamesOf = Callable[[Layer], "tuple[str, ...] | None"]
"""A function from a layer to the names of its weights, or None if its class is unknown."""

AFTER_A_COPY = ("vector_u",)
"""Weights before which Keras 3 stores the wrapped layer's kernel again, as the wrapper's own."""


def bind(root: LayerModel, saved: SavedModel, names: NamesOf) -> None:
    """Sets ``weights`` of all layers of a model.

    Layers of unknown classes get no weights, and neither do layers whose weights cannot be distinguished from theirs;
    such a model is refused later. For other models, raises WeightsError if a weight is missing or left over.
    """

    def weight_names(layer: Layer) -> tuple[str, ...] | None:
        return () if layer.class_name == "InputLayer" else names(layer)

    complete = all(weight_names(leaf) is not None for leaf, _ in root.leaves())
    stored = saved.weights
    has_any = stored.paths if isinstance(stored, AttributePaths) else any(map(_has_weights, stored.groups))
    if not has_any and any(weight_names(leaf) for leaf, _ in root.leaves()):
        raise WeightsError(
            "there are no weights; call model.build((None, ...)) with the shape of the input, and train the model "
            "before it is loaded or saved"
        )
    if isinstance(stored, AttributePaths):
        _bind_paths(root, stored, weight_names, complete)
    else:
        _fill_in_groups(root, stored.groups)
        major = keras_major(saved.config, saved.weights_version)
        _bind_groups(root, stored, _Binder(weight_names, major, saved.backend), complete)
    for leaf, _ in root.leaves():
        leaf.config = {option: value for option, value in leaf.config.items() if option not in LORA_OPTIONS}


# -- layouts of Keras 3: by attribute path -------------------------------------------------------------------------


def _bind_paths(root: LayerModel, stored: AttributePaths, names: NamesOf, complete: bool) -> None:
    used: set[str] = set()
    bound: list[Layer] = []
    elsewhere: list[tuple[Layer, str, tuple[str, ...]]] = []
    for layer, path in attribute_paths(root):
        _fill_in(layer, stored.adapted.get(path, {}))
        layer_names = names(layer)
        if not layer_names:
            continue
        parts = {part: _stored_path(path, part, stored) for part in map(dirname, layer_names)}
        if layer.shared_id is not None and not set(parts.values()) & set(stored.paths):
            elsewhere.append((layer, path, layer_names))
            continue
        try:
            layer.weights = _arrays_of(layer, layer_names, parts, stored)
        except WeightsError:
            if complete:
                raise
            continue  # they may be stored with a layer of an unknown class that shares them
        used.update(parts.values())
        bound.append(layer)
    for layer, path, layer_names in elsewhere:  # a layer of several models is stored with the first of them
        first = _first_place_of(layer, bound)
        if first is None and not complete:
            continue
        if first is None:
            raise WeightsError(
                f"{layer}: the file has no weights under '{path}', the layer needs {', '.join(layer_names)}"
                + _SHARED_PART
            )
        layer.weights = first.weights
    left = [path for path in stored.paths if path not in used and not is_training_state(path)]
    if complete and left:
        raise WeightsError(
            f"the file has weights that no layer uses, under {some(left)}; do they belong to this architecture?"
        )


def _arrays_of(
    layer: Layer, names: Sequence[str], parts: Mapping[str, str], stored: AttributePaths
) -> dict[str, np.ndarray]:
    """The arrays of one layer by name; ``parts`` has the path in the file of the layer and of each sublayer."""
    weights: dict[str, np.ndarray] = {}
    for part, where in parts.items():
        own = [name for name in names if dirname(name) == part]
        arrays = stored.paths.get(where, [])
        own = own if arrays else _required(own)
        if not own:
            continue
        if own[0].endswith(AFTER_A_COPY):
            arrays = arrays[1:]
        if len(arrays) != len(own):
            raise WeightsError(
                f"{layer}: the file has {_shapes(arrays)} under '{where}', the layer needs "
                f"{counted(len(own), 'weight')}: {', '.join(own)}" + ("" if arrays else _SHARED_PART)
            )
        weights.update((name, as_weight(weight.array)) for name, weight in zip(own, arrays, strict=True))
    return {name.removesuffix(OPTIONAL): weights[name] for name in names if name in weights}


_SHARED_PART = "; if two layers share it, Keras stores it only once and cannot load the file either: save it as .h5"


def _first_place_of(layer: Layer, bound: Sequence[Layer]) -> Layer | None:
    """The layer with weights that the shared ``layer`` is identical to; None if that cannot be determined.

    Keras marks all places of a shared layer with one id, but the first place lacks it if it is in a nested model. Then
    the layer is recognized by its class and its plain options, among them the name.
    """

    def features(of: Layer) -> tuple[str, dict[str, Any]]:
        return of.class_name, {key: v for key, v in of.config.items() if isinstance(v, (str, int, float))}

    marked = [other for other in bound if other.shared_id == layer.shared_id]
    alike = [other for other in bound if other.shared_id is None and features(other) == features(layer)]
    return marked[0] if marked else alike[0] if len(alike) == 1 else None


def _fill_in(layer: Layer | LayerModel, adapted: Mapping[str, Any]) -> None:
    """Sets options that ``adapt()`` has found, if the config lacks them."""
    if isinstance(layer, Layer):
        layer.config = {**layer.config, **{k: v for k, v in adapted.items() if layer.config.get(k) is None}}


PYTHON_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Classes whose name in Python differs from their name in files."""


def _stored_path(path: str, part: str, stored: AttributePaths) -> str:
    """The path of sublayer ``part`` of the layer at ``path``, with private names (``_gate_dense``) as in the file."""
    if not part:
        return path
    choices = itertools.product(*((name, f"_{name}") for name in part.split("/")))
    paths = [f"{path}/{'/'.join(names)}" for names in choices]
    return next((found for found in paths if found in stored.paths), paths[0])


def attribute_paths(model: LayerModel, prefix: str = "") -> Iterator[tuple[Layer, str]]:
    """Every layer with its attribute path, ``layers/dense_1``, numbered by class in the order of creation."""
    count: Counter[str] = Counter()
    for layer in model.layers:
        if isinstance(layer, LayerModel):
            name = layer.custom_class or layer.class_name
        else:
            name = layer.saved_class.rpartition(">")[2]
        name = snake_case(PYTHON_NAMES.get(name, name))
        path = f"{prefix}layers/{name}_{count[name]}" if count[name] else f"{prefix}layers/{name}"
        if isinstance(layer, Layer) and layer.class_name.startswith("ops."):
            continue  # Keras does not count operations as layers
        count[name] += 1
        if isinstance(layer, LayerModel):
            yield from attribute_paths(layer, f"{path}/")
        else:
            yield layer, path


def snake_case(name: str) -> str:
    """A class name as Keras writes it in paths.

    >>> snake_case("Conv2DTranspose")
    'conv2d_transpose'
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


# -- layout of .h5 files, and live models: by layer ----------------------------------------------------------------


class _Binder:
    """Gives layers their arrays, converted from the layout of the Keras that wrote the file."""

    def __init__(self, names: NamesOf, keras_major: int, backend: str):
        self.names = names
        self.keras_major = keras_major
        self.backend = backend

    def counts(self, layer: Layer) -> tuple[int, ...] | None:
        """The possible numbers of arrays for the layer's weights; None if its class is unknown."""
        names = self.names(layer)
        if names is None:
            return None
        split = split_gates(layer.class_name, layer.config, self.keras_major)
        least = len(_required(names))
        return (len(names), *([split] if split else []), *([least] if least < len(names) else []))

    def set(self, layer: Layer, weights: Sequence[Weight]) -> None:
        """Sets the weights of ``layer`` from those of the file, in their order. Raises WeightsError."""
        if model := wrapped_model(layer):
            _bind_nested(model, Group(layer.name, list(weights)), self)
            layer.weights = {
                f"{path}/{name}": array
                for leaf, path in attribute_paths(model, "layer/")
                for name, array in leaf.weights.items()
            }
            return
        names = self.names(layer)
        assert names is not None
        stored = [as_weight(weight.array) for weight in weights]
        arrays = convert_weights(layer.class_name, layer.config, stored, self.keras_major, self.backend)
        present = names if len(names) == len(arrays) else _required(names)
        layer.weights = {
            name.removesuffix(OPTIONAL): as_weight(np.asarray(array, order="C"))
            for name, array in zip(present, arrays, strict=True)
        }


def _required(names: Sequence[str]) -> list[str]:
    return [name for name in names if not name.endswith(OPTIONAL)]


def wrapped_model(layer: Layer) -> LayerModel | None:
    """The model that a TimeDistributed applies to each step, without weights; None for other layers."""
    if layer.package or layer.class_name != "TimeDistributed":
        return None
    spec = layer.config["layer"]
    return nested(spec, layer.name) if spec["class_name"] in MODELS and not spec["package"] else None


def _bind_groups(root: LayerModel, stored: LayerGroups, binder: _Binder, complete: bool) -> None:
    groups = [group for group in stored.groups if _has_weights(group)]
    by_name = {group.name: group for group in groups}
    if len(by_name) < len(groups):
        raise WeightsError("the file has two groups of weights with the name of one layer; it is damaged")
    layers = [layer for layer in _stored_layers(root, by_name) if _needs_weights(layer, binder)]
    own_names = [layer.own_name for layer in layers]
    if not complete or set(own_names) == set(by_name):
        matched = [by_name.get(name) for name in own_names]
    elif len(layers) == len(groups):  # a model that is built again has other numbers in its names
        matched = list(groups)
    else:
        missing = [str(layer) for layer, name in zip(layers, own_names, strict=True) if name not in by_name]
        left = [name for name in by_name if name not in own_names]
        raise WeightsError(
            f"the file has weights for {counted(len(groups), 'layer')}, the model has "
            f"{counted(len(layers), 'layer')} with weights"
            + (f"; layers without weights in the file: {some(missing)}" if missing else "")
            + (f"; weights without a layer in the model: {some(left)}" if left else "")
            + "; do the weights belong to this architecture?"
        )
    for layer, group in zip(layers, matched, strict=True):
        if group is not None:
            _bind_group(layer, group, binder, complete)


def _stored_layers(model: LayerModel, groups: Collection[str]) -> list[Layer | LayerModel]:
    """The layers that have a group each: Keras 1 stored those of a Sequential inside a Sequential by themselves."""
    layers: list[Layer | LayerModel] = []
    for layer in model.layers:
        flattened = isinstance(layer, LayerModel) and layer.own_name not in groups
        inner = _stored_layers(layer, groups) if isinstance(layer, LayerModel) and flattened else []
        layers += inner if inner and any(leaf.own_name in groups for leaf in inner) else [layer]
    return layers


def _has_weights(group: Group) -> bool:
    return bool(group.weights) or any(map(_has_weights, group.layers or ()))


def _fill_in_groups(model: LayerModel, groups: Sequence[Group]) -> None:
    """As :func:`_fill_in`, for all layers of a live model, which are found by their names."""
    by_name = {group.name: group for group in groups}
    for layer in model.layers:
        if group := by_name.get(layer.own_name):
            _fill_in(layer, group.adapted)
            if isinstance(layer, LayerModel):
                _fill_in_groups(layer, group.layers or ())


def _bind_group(layer: Layer | LayerModel, group: Group, binder: _Binder, complete: bool) -> None:
    if isinstance(layer, LayerModel):
        if group.layers is not None:
            _bind_groups(layer, LayerGroups(group.layers), binder, complete)
        elif all(binder.names(leaf) is not None for leaf, _ in layer.leaves()):
            _bind_nested(layer, group, binder)
        return
    counts = binder.counts(layer)
    if counts is None:
        return
    if wrapped_model(layer) is not None:
        binder.set(layer, group.weights)
        return
    weights = merged(layer, group.weights, binder.names(layer) or ())
    if len(weights) not in counts:
        raise WeightsError(
            f"{layer}: the file has {_shapes(group.weights)} in its group '{group.name}', the layer needs {counts[0]} "
            f"weights: {', '.join(binder.names(layer) or ()) or 'none'}"
        )
    binder.set(layer, weights)


def _needs_weights(layer: Layer | LayerModel, binder: _Binder) -> bool:
    leaves = [leaf for leaf, _ in layer.leaves()] if isinstance(layer, LayerModel) else [layer]
    return any(binder.names(leaf) != () for leaf in leaves)


# -- a nested model in an .h5 file: one list of all its weights ----------------------------------------------------


def _bind_nested(model: LayerModel, group: Group, binder: _Binder) -> None:
    """Distributes the list of a nested model's weights to its layers."""
    leaves = _named_leaves(model, group, binder)
    if sum(len(names) for _, _, names in leaves) != len(group.weights):
        leaves = [(leaf, trainable, _required(names)) for leaf, trainable, names in leaves]
    slots = [(leaf, i, name, trainable) for leaf, trainable, names in leaves for i, name in enumerate(names)]
    if len(slots) != len(group.weights):
        raise WeightsError(
            f"nested model '{model.name}': the file has {counted(len(group.weights), 'weight')} in its group "
            f"'{group.name}', its layers need {len(slots)}: "
            f"{some([f'{leaf.name} {len(names)}' for leaf, _, names in leaves if names])}"
        )
    candidates = plausible_orders(slots, [weight.name for weight in group.weights])
    if len(candidates) > 1:
        raise WeightsError(
            f"nested model '{model.name}': the file does not tell which of its {len(slots)} weights belongs to which "
            f"layer, because some layers are frozen and the names in it ({some([w.name for w in group.weights])}) do "
            "not say; save the model as .keras, or with all layers trainable"
        )
    found: dict[int, dict[int, Weight]] = {}
    for (leaf, i, _), weight in zip(candidates[0], group.weights, strict=True):
        found.setdefault(id(leaf), {})[i] = weight
    for leaf, _, names in leaves:
        binder.set(leaf, [found[id(leaf)][i] for i in range(len(names))])


def _named_leaves(model: LayerModel, group: Group, binder: _Binder) -> list[tuple[Layer, bool, list[str]]]:
    """All layers of a model, each with whether it is trainable and the names of its arrays in the file."""
    leaves: list[tuple[Layer, bool, list[str]]] = []
    for leaf, trainable in model.leaves():
        names = list(binder.names(leaf) or ())
        split = split_gates(leaf.class_name, leaf.config, binder.keras_major)
        if split and any(re.search(r"_[WUb]_[a-z](:0)?$", w.name) for w in group.weights):
            names = [f"gate {number}" for number in range(split)]
        leaves.append((leaf, trainable, names))
    return leaves


def _shapes(weights: Sequence[Weight]) -> str:
    if not weights:
        return "no weights"
    return f"{counted(len(weights), 'weight')} ({some([f'{w.name} {w.array.shape}' for w in weights])})"
