"""Which array of the file is which weight of which layer.

A handler names its layer's weights in Keras's order ("kernel", "bias"; "cell/kernel" for a sublayer's); this module
gives every :class:`Layer` its arrays under these names, found the way Keras finds them, every count checked. Shapes
are checked where they are known, by the handler.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from posixpath import dirname
from typing import Any

import numpy as np

from sofie_jit.errors import WeightsError
from sofie_jit.frontends.keras import dialects
from sofie_jit.frontends.keras.dialects import convert_weights, split_gates
from sofie_jit.frontends.keras.graph import Layer, Model
from sofie_jit.frontends.keras.lora import OPTIONS, merged
from sofie_jit.frontends.keras.saved_model import (
    AttributePaths,
    Group,
    LayerGroups,
    SavedModel,
    Weight,
    is_training_state,
)

WeightNames = Callable[[Layer], "tuple[str, ...] | None"]
"""A layer -> the names of its weights, None if its class is unknown."""

NON_TRAINABLE = ("moving_mean", "moving_variance", "mean", "variance", "count", "vector_u")
"""Weights that Keras counts as non-trainable, which a nested model's group of an .h5 file has at its end."""
BEHIND_ANOTHERS = ("vector_u",)
"""Weights before which Keras 3 stores the wrapped layer's kernel a second time, as the wrapper's own."""


def bind(root: Model, saved: SavedModel, names: WeightNames) -> None:
    """Set ``weights`` of all layers of a model.

    Layers of unknown classes get none, and in their company a layer whose share cannot be told apart gets none
    either: the model is refused anyway. Otherwise raises WeightsError if a weight is missing or left over.
    """

    def weight_names(layer: Layer) -> tuple[str, ...] | None:
        return () if layer.class_name == "InputLayer" else names(layer)

    complete = all(weight_names(leaf) is not None for leaf, _ in root.leaves())
    stored = saved.weights
    some = stored.paths if isinstance(stored, AttributePaths) else any(map(_has_weights, stored.groups))
    if not some and any(weight_names(leaf) for leaf, _ in root.leaves()):
        raise WeightsError(
            "there are no weights; call model.build((None, ...)) with the shape of the input, train the model, and "
            "load or save it then"
        )
    if isinstance(saved.weights, AttributePaths):
        _bind_paths(root, saved.weights, weight_names, complete)
    else:
        _fill_in_groups(root, saved.weights.groups)
        era = dialects.era(saved.config, saved.weights_version)
        _bind_groups(root, saved.weights, _Binder(weight_names, era, saved.backend), complete)
    for leaf, _ in root.leaves():
        leaf.config = {option: value for option, value in leaf.config.items() if option not in OPTIONS}


# -- layouts of Keras 3: by attribute path -------------------------------------------------------------------------


def _bind_paths(root: Model, stored: AttributePaths, names: WeightNames, complete: bool) -> None:
    used: set[str] = set()
    bound: list[Layer] = []
    elsewhere: list[tuple[Layer, str, tuple[str, ...]]] = []
    for layer, path in attribute_paths(root):
        _fill_in(layer, stored.adapted.get(path, {}))
        layer_names = names(layer)
        if not layer_names:
            continue
        parts = {part: _stored_path(f"{path}/{part}" if part else path, stored) for part in map(dirname, layer_names)}
        if layer.shared_id is not None and not set(parts.values()) & set(stored.paths):
            elsewhere.append((layer, path, layer_names))
            continue
        weights: dict[str, np.ndarray] = {}
        for part, where in parts.items():
            mine = [name for name in layer_names if dirname(name) == part]
            arrays = stored.paths.get(where, [])
            if mine[0].endswith(BEHIND_ANOTHERS):
                arrays = arrays[1:]
            if len(arrays) != len(mine):
                raise WeightsError(
                    f"{layer}: the file has {_shapes(arrays)} under '{where}', the layer needs {len(mine)} weights: "
                    f"{', '.join(mine)}"
                )
            weights.update((name, weight.array) for name, weight in zip(mine, arrays, strict=True))
        layer.weights = {name: weights[name] for name in layer_names}
        used.update(parts.values())
        bound.append(layer)
    for layer, path, layer_names in elsewhere:  # a layer of several models is stored with the first of them
        first = _first_of(layer, bound)
        if first is None:
            raise WeightsError(
                f"{layer}: the file has no weights under '{path}', the layer needs {', '.join(layer_names)}"
            )
        layer.weights = first.weights
    left = [path for path in stored.paths if path not in used and not is_training_state(path)]
    if complete and left:
        raise WeightsError(f"the file has weights that no layer uses, under {_some(left)}; is this its architecture?")


def _first_of(layer: Layer, bound: Sequence[Layer]) -> Layer | None:
    """The one among layers with weights that a shared ``layer`` is; None if that cannot be told.

    Keras marks all places of a shared layer with one id, but loses it at the first, if that is in a nested model. Its
    class and plain options tell, then, among them the name.
    """

    def looks(of: Layer) -> tuple[str, dict[str, Any]]:
        return of.class_name, {key: v for key, v in of.config.items() if isinstance(v, (str, int, float))}

    marked = [other for other in bound if other.shared_id == layer.shared_id]
    alike = [other for other in bound if other.shared_id is None and looks(other) == looks(layer)]
    return marked[0] if marked else alike[0] if len(alike) == 1 else None


def _fill_in(layer: Layer | Model, adapted: Mapping[str, Any]) -> None:
    """Sets the options that ``adapt()`` found, if the config does not have them."""
    if isinstance(layer, Layer):
        layer.config = {**layer.config, **{k: v for k, v in adapted.items() if layer.config.get(k) is None}}


PYTHON_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Classes that Keras itself calls otherwise than it writes them."""


def _stored_path(path: str, stored: AttributePaths) -> str:
    """``path``, or that of the attribute's private name (``_gate_dense``), whichever the file has."""
    parent, _, attribute = path.rpartition("/")
    private = f"{parent}/_{attribute}"
    return private if path not in stored.paths and private in stored.paths else path


def attribute_paths(model: Model, prefix: str = "") -> Iterator[tuple[Layer, str]]:
    """Every layer with its attribute path: ``layers/dense_1``, counted by class in the order of creation."""
    count: Counter[str] = Counter()
    for layer in model.layers:
        name = layer.class_name if isinstance(layer, Model) else layer.saved_class.rpartition(">")[2]
        name = snake_case(PYTHON_NAMES.get(name, name))
        path = f"{prefix}layers/{name}_{count[name]}" if count[name] else f"{prefix}layers/{name}"
        if isinstance(layer, Layer) and layer.class_name.startswith("ops."):
            continue  # a bare operation is no layer to Keras
        count[name] += 1
        if isinstance(layer, Model):
            yield from attribute_paths(layer, f"{path}/")
        else:
            yield layer, path


def snake_case(name: str) -> str:
    """Keras's rule, by which ``Conv2DTranspose`` is ``conv2d_transpose``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


# -- layout of .h5 files, and live models: by layer ----------------------------------------------------------------


class _Binder:
    """Gives layers their arrays, converted from what the file's era wrote."""

    def __init__(self, names: WeightNames, era: int, backend: str):
        self.names = names
        self.era = era
        self.backend = backend

    def counts(self, layer: Layer) -> tuple[int, ...] | None:
        """How many arrays may hold the layer's weights; None if its class is unknown."""
        names = self.names(layer)
        if names is None:
            return None
        split = split_gates(layer.class_name, layer.config, self.era)
        return (len(names), split) if split else (len(names),)

    def set(self, layer: Layer, arrays: Sequence[np.ndarray]) -> None:
        """Gives ``layer`` its weights, in Keras's order as the file has them. Raises WeightsError."""
        names = self.names(layer)
        assert names is not None
        arrays = convert_weights(layer.class_name, layer.config, arrays, self.era, self.backend)
        layer.weights = dict(zip(names, (np.asarray(array, order="C") for array in arrays), strict=True))


def _bind_groups(root: Model, stored: LayerGroups, binder: _Binder, complete: bool) -> None:
    groups = [group for group in stored.groups if _has_weights(group)]
    by_name = {group.name: group for group in groups}
    if len(by_name) < len(groups):
        raise WeightsError("the file has two groups of weights for one layer name; it is damaged")
    layers = [layer for layer in root.layers if _needs_weights(layer, binder)]
    own_names = [layer.own_name for layer in layers]
    if not complete or set(own_names) == set(by_name):
        matched = [by_name.get(name) for name in own_names]
    elif len(layers) == len(groups):  # a model built anew numbers its layers anew: then Keras goes by their order
        matched = list(groups)
    else:
        missing = [str(layer) for layer, name in zip(layers, own_names, strict=True) if name not in by_name]
        left = [name for name in by_name if name not in own_names]
        raise WeightsError(
            f"the file has weights for {len(groups)} layers, the model has {len(layers)} layers that need some"
            + (f"; without weights: {_some(missing)}" if missing else "")
            + (f"; weights of no layer of the model: {_some(left)}" if left else "")
            + "; is this its architecture?"
        )
    for layer, group in zip(layers, matched, strict=True):
        if group is not None:
            _bind_group(layer, group, binder, complete)


def _has_weights(group: Group) -> bool:
    return bool(group.weights) or any(map(_has_weights, group.layers or ()))


def _fill_in_groups(model: Model, groups: Sequence[Group]) -> None:
    """The same for a live model, whose layers are found by their names."""
    by_name = {group.name: group for group in groups}
    for layer in model.layers:
        if group := by_name.get(layer.own_name):
            _fill_in(layer, group.adapted)
            if isinstance(layer, Model):
                _fill_in_groups(layer, group.layers or ())


def _bind_group(layer: Layer | Model, group: Group, binder: _Binder, complete: bool) -> None:
    if isinstance(layer, Model):
        if group.layers is not None:
            _bind_groups(layer, LayerGroups(group.layers), binder, complete)
        elif all(binder.names(leaf) is not None for leaf, _ in layer.leaves()):
            _bind_nested(layer, group, binder)
        return
    counts = binder.counts(layer)
    if counts is None:
        return
    weights = merged(layer, group.weights, binder.names(layer) or ())
    if len(weights) not in counts:
        raise WeightsError(
            f"{layer}: the file has {_shapes(group.weights)} in its group '{group.name}', the layer needs {counts[0]} "
            f"weights: {', '.join(binder.names(layer) or ()) or 'none'}"
        )
    binder.set(layer, [weight.array for weight in weights])


def _needs_weights(layer: Layer | Model, binder: _Binder) -> bool:
    leaves = [leaf for leaf, _ in layer.leaves()] if isinstance(layer, Model) else [layer]
    return any(binder.names(leaf) != () for leaf in leaves)


# -- a nested model in an .h5 file: one list of all its weights ----------------------------------------------------

Slot = tuple[Layer, int, str]
"""A weight that is looked for: layer, its position among the layer's weights, its name."""


def _bind_nested(model: Model, group: Group, binder: _Binder) -> None:
    """Share out a nested model's weights.

    Keras has written trainable weights first and the others after them, or all in the order of layers, and the flags
    may have changed between building and saving. The orders that fit are told apart by the names of the weights.
    """
    leaves: list[tuple[Layer, bool, list[str]]] = []
    for leaf, trainable in model.leaves():
        names = list(binder.names(leaf) or ())
        split = split_gates(leaf.class_name, leaf.config, binder.era)
        if split and any(re.search(r"_[WUb]_[a-z](:0)?$", w.name) for w in group.weights):
            names = [f"gate {number}" for number in range(split)]
        leaves.append((leaf, trainable, names))
    slots = [(leaf, i, name, trainable) for leaf, trainable, names in leaves for i, name in enumerate(names)]
    if len(slots) != len(group.weights):
        raise WeightsError(
            f"nested model '{model.name}': the file has {len(group.weights)} weights in its group '{group.name}', its "
            f"layers need {len(slots)}: {_some([f'{leaf.name} {len(names)}' for leaf, _, names in leaves if names])}"
        )

    def frozen(name: str) -> bool:
        return name.rpartition("/")[2] in NON_TRAINABLE

    def order(key: Callable[[tuple[Layer, int, str, bool]], bool]) -> list[Slot]:
        return [(leaf, i, name) for leaf, i, name, _ in sorted(slots, key=key)]  # sorted() keeps the order of equals

    candidates: list[list[Slot]] = []
    for candidate in (
        order(lambda slot: not slot[3] or frozen(slot[2])),
        order(lambda slot: frozen(slot[2])),
        order(lambda slot: False),
    ):
        if candidate not in candidates:
            candidates.append(candidate)
    inner = {leaf.own_name for leaf, _, _ in leaves}
    for contradicts in (_contradicts_layer, _contradicts_name):
        speaking_against = [
            sum(contradicts(s, w.name, inner) for s, w in zip(candidate, group.weights, strict=True))
            for candidate in candidates
        ]
        least = min(speaking_against)
        candidates = [c for c, number in zip(candidates, speaking_against, strict=True) if number == least]
    if len(candidates) > 1:
        raise WeightsError(
            f"nested model '{model.name}': which of its {len(slots)} weights belongs to which layer cannot be told, "
            f"because some layers are frozen and the names in the file ({_some([w.name for w in group.weights])}) do "
            "not say; save the model as .keras, or with all layers trainable"
        )
    arrays: dict[int, dict[int, np.ndarray]] = {}
    for (leaf, i, _), weight in zip(candidates[0], group.weights, strict=True):
        arrays.setdefault(id(leaf), {})[i] = weight.array
    for leaf, _, names in leaves:
        binder.set(leaf, [arrays[id(leaf)][i] for i in range(len(names))])


def _contradicts_layer(slot: Slot, stored: str, inner: set[str]) -> bool:
    """Whether a stored name ("enc/dense_1/kernel:0", "dense_1_W") speaks of another layer of the model."""
    parts = stored.split("/")
    named = [part for part in parts[:-1] if part in inner]
    if not named:
        named = [name for name in inner if re.fullmatch(re.escape(name) + r"_[A-Za-z]+(_[a-z])?(:0)?", parts[-1])]
    return bool(named) and slot[0].own_name not in named


def _contradicts_name(slot: Slot, stored: str, _: set[str]) -> bool:
    """Whether a stored name ends in another weight's name ("bias:0", "gamma")."""
    last = re.sub(r"(_\d+)?(:\d+)?$", "", stored.rpartition("/")[2])
    return last in _KNOWN and slot[2].rpartition("/")[2] in _KNOWN and last != slot[2].rpartition("/")[2]


_KNOWN = {"kernel", "bias", "recurrent_kernel", "embeddings", "gamma", "beta", "moving_mean", "moving_variance",
          "depthwise_kernel", "pointwise_kernel", "alpha", "vector_u"}  # fmt: skip


def _shapes(weights: Sequence[Weight]) -> str:
    if not weights:
        return "no weights"
    return f"{len(weights)} weights ({_some([f'{w.name} {w.array.shape}' for w in weights])})"


def _some(names: Sequence[str], limit: int = 6) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
