"""Weights of layers and models that another layer wraps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sofie_jit.frontends.keras.build import nested
from sofie_jit.frontends.keras.dialects import MODELS
from sofie_jit.frontends.keras.graph import Layer
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import WeightNames, find_builtin, weight_names
from sofie_jit.frontends.keras.nested_weights import NON_TRAINABLE
from sofie_jit.frontends.keras.weights import attribute_paths


def sublayer_weights(path: str, spec: Mapping[str, Any]) -> WeightNames:
    """The weight names of a wrapped layer or model as its wrapper lists them; ``path`` is the wrapper's attribute."""
    if spec["class_name"] in MODELS and not spec["package"]:
        return model_weights(f"{path}/", spec)
    layer = Layer(str(spec["config"].get("name", path)), spec["class_name"], spec["config"], spec["package"])
    return tuple(f"{path}/{name}" for name in weight_names(layer))


def model_weights(prefix: str, spec: Mapping[str, Any]) -> WeightNames:
    """The weight names of a model: those of its layers in order, with the non-trainable ones at the end."""
    model = nested(dict(spec), prefix.rstrip("/"))
    trainable = {id(leaf): trains for leaf, trains in model.leaves()}
    names = [
        (not trainable[id(leaf)] or name.rpartition("/")[2] in NON_TRAINABLE, f"{where}/{name}")
        for leaf, where in attribute_paths(model, prefix)
        if leaf.class_name != "InputLayer"
        for name in weight_names(leaf)
    ]
    return tuple(name for _, name in sorted(names, key=lambda pair: pair[0]))


def part(call: LayerCall, path: str, class_name: str, **options: Any) -> LayerCall:
    """A call of a layer of Keras that the layer of ``call`` has as attribute ``path``, with these options."""
    return call.sublayer(path, part_spec(class_name, path, call.layer.keras_major, **options))


def part_weights(path: str, class_name: str, **options: Any) -> WeightNames:
    """The names of the weights of :func:`part`."""
    return sublayer_weights(path, part_spec(class_name, path, 3, **options))


def part_spec(class_name: str, name: str, keras_major: int, **options: Any) -> dict[str, Any]:
    """The spec of a layer of Keras with these options and the defaults of its version."""
    entry = find_builtin(class_name)
    config = {**entry.defaults_of(keras_major), **options, "name": name}
    return {
        "class_name": class_name, "package": "", "config": config, "saved_class": class_name,
        "keras_major": keras_major,
    }  # fmt: skip
