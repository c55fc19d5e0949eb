"""What a saved Keras model holds, and what is checked of any: its JSON, its sizes, its description of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.errors import ModelFileError

MAX_DEPTH = 200
"""Nesting of a config's JSON beyond which it is taken for damaged (a nested model takes four levels)."""
BOMB_BYTES = 1 << 28
BOMB_RATIO = 100
"""What a file declares beyond BOMB_BYTES must not be so many times larger than what it stores."""
JSON_BYTES = 1 << 24
JSON_RATIO = 4
"""The same of JSON and vocabularies, which take some twenty times their size when read."""

SAVE_IT = "save the whole model in Keras with model.save('model.keras') or model.save('model.h5')"


@dataclass(frozen=True)
class Weight:
    """One array of a file and the name it is stored under."""

    name: str
    array: np.ndarray


@dataclass(frozen=True)
class Group:
    """The weights of one layer of a legacy .h5 file, or of a live model.

    A nested model is one group: in a file with all inner weights in ``weights``, live with one group per inner
    layer in ``layers``.
    """

    name: str
    weights: list[Weight]
    layers: list[Group] | None = None
    adapted: Mapping[str, Any] = field(default_factory=dict)
    """Options that the layer's ``adapt()`` found and its config does not have; of live models only."""


@dataclass(frozen=True)
class LayerGroups:
    """Weights by layer, in the order of the model's layers (.h5 files of all eras, live models)."""

    groups: list[Group]


@dataclass(frozen=True)
class AttributePaths:
    """Weights by attribute path, ``layers/dense_1`` -> arrays in order (.keras archives and .weights.h5 of Keras 3)."""

    paths: dict[str, list[Weight]]
    adapted: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """By the path of a layer: options that its ``adapt()`` found and its config does not have."""


@dataclass(frozen=True)
class SavedModel:
    """What a source holds: the model's config as written, its weights, and who wrote it."""

    source: str
    """What messages call it: the path, or the live model's name."""
    config: dict[str, Any]
    """``{"class_name": ..., "config": ...}`` in the dialect of the version that wrote it."""
    weights: LayerGroups | AttributePaths
    keras_version: str
    """Of the Keras that wrote the config: '1.2.2', '2.2.4-tf', '3.9.0'; empty if it does not say."""
    weights_version: str = ""
    """The same of the weights; Keras 1 did not say."""
    backend: str = ""
    """'theano', 'tensorflow', ...: where the weights were trained; empty if the file does not say."""


def parse_json(text: str | bytes, what: str) -> Any:
    """The value of JSON text that can be a model's; ModelFileError, which names ``what``, for any other."""
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ModelFileError(f"{what}: the JSON is nested too deeply for a model") from error
    except ValueError as error:
        start = text[:40].decode("utf-8", "replace") if isinstance(text, bytes) else text[:40]
        raise ModelFileError(f"{what} is not valid JSON ({error}); it begins with {start!r}") from error
    check_values(value, what)
    return value


def check_values(value: Any, what: str) -> None:
    """Refuse absurd nesting here, so that whoever walks the config later may recurse; and what is no number or text.

    That is integers of more than 64 bits, and halves of characters (lone surrogates), which nothing can write.
    """
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for node in level:
            if isinstance(node, Mapping):
                below.extend(node.keys())
                below.extend(node.values())
            elif isinstance(node, (list, tuple)):
                below.extend(node)
            elif isinstance(node, int) and not -(1 << 63) <= node < 1 << 64:
                raise ModelFileError(f"{what}: it holds an integer of {node.bit_length()} bits; no Keras model does")
            elif isinstance(node, str) and not node.isascii() and re.search("[\ud800-\udfff]", node):
                raise ModelFileError(f"{what}: it holds text that is not Unicode, {node!a:.60}")
        if not below:
            return
        level = below
    raise ModelFileError(f"{what}: the config is nested more than {MAX_DEPTH} levels deep; no Keras model is")


def architecture(value: Any, what: str) -> dict[str, Any]:
    """``{"class_name", "config"}`` of any JSON that describes a model, ``get_config()``'s included."""
    if isinstance(value, dict):
        if isinstance(value.get("model_config"), dict):
            value = value["model_config"]
        if isinstance(value.get("class_name"), str) and isinstance(value.get("config"), (dict, list)):
            return dict(value)
        if isinstance(value.get("layers"), list):
            return {"class_name": "Functional" if "input_layers" in value else "Sequential", "config": value}
        found = f"a dict with the keys {some(value)}"
    elif isinstance(value, list) and value and all(isinstance(x, dict) and "class_name" in x for x in value):
        return {"class_name": "Sequential", "config": value}
    else:
        found = f"a {type(value).__name__}"
    raise ModelFileError(f"{what} holds {found}; expected what model.to_json() writes: class_name and config")


def keras_version(*places: Any) -> str:
    """The first version that one of these mappings names; empty if none does."""
    for place in places:
        version = place.get("keras_version") if isinstance(place, Mapping) else None
        if isinstance(version, bytes):
            version = version.decode("utf-8", "replace")
        if isinstance(version, str) and version:
            return version
    return ""


def no_architecture(path: Path, layout: str) -> ModelFileError:
    """The error of a file that has weights alone, laid out as ``layout`` says."""
    return ModelFileError(
        f"'{path}' holds weights ({layout}) but no architecture; pass config= with the .json file of "
        f"model.to_json(), or {SAVE_IT} (a subclassed model cannot be read: its computation is Python code)"
    )


@dataclass
class Sizes:
    """What has been read of a file: so many bytes declared, and so many stored."""

    path: str | Path
    declared: int = 0
    stored: int = 0

    def add(self, what: str, declared: int, stored: int, error: type[ModelFileError]) -> None:
        """Raises ``error`` if that makes a bomb of it, one blast or many small ones."""
        self.declared += declared
        self.stored += stored
        if self.declared > BOMB_BYTES and self.declared > BOMB_RATIO * max(self.stored, 1):
            raise error(f"'{self.path}': {what}, with what comes before, {too_large(self.declared, self.stored)}")


def too_large(declared: int, stored: int) -> str:
    """What is said of so many bytes declared, and so many stored, if no real file has them."""
    return (
        f"declares {declared:,} bytes but stores {stored:,}; no real weights shrink like that, the file is damaged or "
        "hostile"
    )


def is_training_state(path: str) -> bool:
    """Whether an attribute path is an optimizer's, a metric's or a random generator's, which inference never needs."""
    parts = path.split("/")
    return parts[0] in ("optimizer", "_optimizer", "metrics", "_metrics", "compile_metrics", "_compile_metrics") or any(
        part.endswith(("seed_generator", "random_generator", "_random_generator")) for part in parts
    )


def some(names: Iterable[str], limit: int = 6) -> str:
    """The first of these names in order, and how many more there are."""
    listed = sorted(map(str, names))
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")
