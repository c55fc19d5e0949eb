"""The content of a saved Keras model before translation: config and weights, and checks of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.errors import ModelFileError
from sofie_jit.frontends.content import some
from sofie_jit.records import dataclass

SAVE_IT = "save the whole model in Keras with model.save('model.keras') or model.save('model.h5')"


@dataclass(frozen=True)
class Weight:
    """One array of a file and the name under which it is stored."""

    name: str
    array: np.ndarray


Adapted = dict[str, list[int] | np.ndarray]
"""Options that a layer's ``adapt()`` computed and that its config lacks: a vocabulary, weights of its entries."""


@dataclass(frozen=True)
class Group:
    """The weights of one layer of a legacy .h5 file, or of a live model.

    A nested model is one group. In a file, ``weights`` contains all of its weights; of a live model, ``layers`` has one
    group per inner layer.
    """

    name: str
    weights: list[Weight]
    layers: list[Group] | None = None
    adapted: Adapted = field(default_factory=dict)
    """Of live models only."""


@dataclass(frozen=True)
class LayerGroups:
    """Weights by layer, in the order of the model's layers (.h5 files of all versions, live models)."""

    groups: list[Group]


@dataclass(frozen=True)
class AttributePaths:
    """Weights by attribute path, ``layers/dense_1`` -> arrays in order (.keras archives and .weights.h5 of Keras 3)."""

    paths: dict[str, list[Weight]]
    adapted: dict[str, Adapted] = field(default_factory=dict)
    """By the path of a layer."""


@dataclass(frozen=True)
class SavedModel:
    """The model that a file or a live model contains."""

    source: str
    """Its name in messages: the path, or the live model's name."""
    config: dict[str, Any]
    """``{"class_name": ..., "config": ...}`` in the dialect of the Keras version that wrote it."""
    weights: LayerGroups | AttributePaths
    keras_version: str
    """The version of Keras that wrote the config, such as '1.2.2', '2.2.4-tf' or '3.9.0'; '' if the file does not
    say."""
    weights_version: str = ""
    """The version that wrote the weights; Keras 1 did not store it."""
    backend: str = ""
    """The backend that the weights were trained with, such as 'theano'; '' if the file does not say."""


def architecture(value: Any, what: str) -> dict[str, Any]:
    """``{"class_name", "config"}`` from any JSON value that describes a model, such as that of ``get_config()``.

    ``what`` names the value in messages. Raises ModelFileError if it does not describe a model.

    >>> architecture({"layers": []}, "config=")
    {'class_name': 'Sequential', 'config': {'layers': []}}
    """
    if isinstance(value, dict):
        if isinstance(value.get("model_config"), dict):
            value = value["model_config"]
        if isinstance(value.get("class_name"), str) and isinstance(value.get("config"), (dict, list)):
            return dict(value)
        if isinstance(value.get("layers"), list):
            return {"class_name": "Functional" if "input_layers" in value else "Sequential", "config": value}
        found = f"a dict with the keys {some(value)}" if value else "an empty dict"
    elif isinstance(value, list) and value and all(isinstance(x, dict) and "class_name" in x for x in value):
        return {"class_name": "Sequential", "config": value}
    else:
        found = f"a {type(value).__name__}"
    raise ModelFileError(f"{what} contains {found}; expected the output of model.to_json(): class_name and config")


def keras_version(*places: Any) -> str:
    """The first version of Keras that one of these mappings names; '' if none does.

    >>> keras_version({}, {"keras_version": b"2.2.4"})
    '2.2.4'
    """
    for place in places:
        version = place.get("keras_version") if isinstance(place, Mapping) else None
        if isinstance(version, bytes):
            version = version.decode("utf-8", "replace")
        if isinstance(version, str) and version:
            return version
    return ""


def no_architecture(path: Path, layout: str) -> ModelFileError:
    """The error for a file that contains weights only; ``layout`` names the function that wrote it."""
    return ModelFileError(
        f"'{path}' contains weights ({layout}) but no architecture; pass config= with the .json file of "
        f"model.to_json(), or {SAVE_IT} (a subclassed model cannot be read: its computation is Python code)"
    )


def is_training_state(path: str) -> bool:
    """Whether an attribute path belongs to an optimizer, a metric or a random generator, which inference never needs.

    >>> is_training_state("optimizer/vars"), is_training_state("layers/dense")
    (True, False)
    """
    parts = path.split("/")
    return parts[0] in ("optimizer", "_optimizer", "metrics", "_metrics", "compile_metrics", "_compile_metrics") or any(
        part.endswith(("seed_generator", "random_generator", "_random_generator")) for part in parts
    )
