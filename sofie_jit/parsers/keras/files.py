"""Saved Keras models -> their config and their weights. Only this module and ``hdf5.py`` know HDF5, zip and JSON.

Formats are told apart by content, never by file name. Nothing in a file is executed, imported, unpickled or
unmarshalled, and nothing outside the file is opened on its behalf (external links, virtual datasets). What this
cannot guard against is a bug of the HDF5 library itself, met in a file whose inner structures were tampered with;
``forked.py`` and ``isolated.py`` do.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.errors import ModelFileError, SofieError

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


def read(source: Any, config: str | os.PathLike[str] | Mapping[str, Any] | None = None) -> SavedModel:
    """Read a saved model.

    ``source`` is the path of an .h5 file (Keras 1, 2 or 3), of a .keras archive, of a file of weights alone, or a
    live ``keras.Model``. ``config`` is the architecture where the file has none, and takes precedence where it has
    one: the path of a .json file, JSON text, or a dict.

    Raises FileNotFoundError, ModelFileError (not a saved model, damaged, no architecture) and WeightsError (weights
    that are not numbers).
    """
    given = None if config is None else given_config(config)
    if not isinstance(source, (str, os.PathLike)):
        if all(hasattr(type(source), attribute) for attribute in ("get_config", "layers", "weights")):
            return _live_model(source, given)
        raise ModelFileError(
            f"load takes the path of a saved Keras model or a keras.Model, got an object of type "
            f"{type(source).__module__}.{type(source).__qualname__}"
        )
    path = Path(source)
    if path.is_dir():
        return _directory(path, given)
    if not path.exists():
        raise FileNotFoundError(f"there is no file '{path}'")
    with open(path, "rb") as file:
        head = file.read(64)
    from sofie_jit.parsers.keras import hdf5  # takes longer to import than all else, and can be left to a child

    # HDF5 may begin at 512, 1024, 2048 ... as well, and so may the weights in an archive
    if not head.startswith(b"PK") and hdf5.is_hdf5(path):
        return hdf5.read(path, given)
    if zipfile.is_zipfile(path):
        with _zip_errors(path), zipfile.ZipFile(path) as archive:
            return _archive(path, archive, given)
    raise ModelFileError(f"'{path}' {_what_else(head, path.stat().st_size)}")


def size(path: Path) -> int:
    """The bytes of a file, or of all in a directory."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")))


# -- what is not a model -------------------------------------------------------------------------------------------

NOT_A_MODEL = {
    b"\x89HDF": "begins like HDF5 but cannot be read; it is damaged or incomplete: fetch or save it again",
    b"PK": "begins like a .keras archive but has no directory at its end; it is incomplete: fetch or save it again",
    b"version https://git-lfs": "is a Git LFS pointer, not the model itself: run 'git lfs pull'",
    b"<": "is an HTML or XML page, not a model: look at what was downloaded",
    b"{": f"is JSON: an architecture holds no weights; pass it as config= beside the weights file, or {SAVE_IT}",
    b"[": f"is JSON, not a saved model; {SAVE_IT}",
    b"\x80": f"looks like a pickle, which is never loaded because it can run code; {SAVE_IT}",
    b"\x1f\x8b": "is compressed by gzip: unpack it first",
}
"""First bytes -> what to tell the user."""


def _what_else(head: bytes, size: int) -> str:
    if not size:
        return "is empty; expected a saved Keras model"
    if head[4:8] == b"TFL3":
        return f"is a TensorFlow Lite model, which keeps no Keras layers; {SAVE_IT}"
    start = head.lstrip() if head.lstrip()[:1] in (b"{", b"<", b"[") else head
    for magic, answer in NOT_A_MODEL.items():
        if start.startswith(magic):
            return answer
    return f"is neither HDF5 (.h5) nor a .keras archive; it begins with {head[:8]!r}; {SAVE_IT}"


def no_architecture(path: Path, layout: str) -> ModelFileError:
    return ModelFileError(
        f"'{path}' holds weights ({layout}) but no architecture; pass config= with the .json file of "
        f"model.to_json(), or {SAVE_IT} (a subclassed model cannot be read: its computation is Python code)"
    )


def _directory(path: Path, given: dict[str, Any] | None) -> SavedModel:
    """A .keras archive that was unpacked; other directories are refused."""
    from sofie_jit.parsers.keras import hdf5

    if (path / "saved_model.pb").exists():
        raise ModelFileError(
            f"'{path}' is a TensorFlow SavedModel directory, a graph without Keras layers to read; "
            "load it with Keras 2 (keras.models.load_model) and save it with model.save('model.h5')"
        )
    if not (path / "config.json").exists() or not (path / "model.weights.h5").exists():
        raise ModelFileError(f"'{path}' is a directory; expected an .h5 file or a .keras archive")
    metadata = path / "metadata.json"
    version = keras_version(parse_json(metadata.read_bytes(), str(metadata))) if metadata.exists() else ""
    config = given or architecture(parse_json((path / "config.json").read_bytes(), f"{path}/config.json"), f"'{path}'")
    weights_path = path / "model.weights.h5"
    names = [file.relative_to(path).as_posix() for file in path.glob(f"{ASSETS}**/{VOCABULARY}")]
    vocabularies = _vocabularies(names, lambda name: (path / name).read_bytes())
    with hdf5.errors(str(weights_path)), hdf5.opened(weights_path) as file:
        return SavedModel(
            str(path), config, hdf5.attribute_paths(file, str(weights_path), vocabularies), version, version
        )


# -- JSON ----------------------------------------------------------------------------------------------------------


def given_config(config: str | os.PathLike[str] | Mapping[str, Any]) -> dict[str, Any]:
    """The architecture a user passes beside a weights file."""
    if isinstance(config, Mapping):
        _check_values(config, "config=")
        return architecture(dict(config), "config=")
    if isinstance(config, str) and config.lstrip()[:1] in ("{", "["):
        return architecture(parse_json(config, "config="), "config=")
    path = Path(config)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file '{path}' to take config= from; JSON text begins with '{{'")
    return architecture(parse_json(path.read_bytes(), f"'{path}'"), f"'{path}'")


def parse_json(text: str | bytes, what: str) -> Any:
    """The value of JSON text that can be a model's; ModelFileError, which names ``what``, for any other."""
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ModelFileError(f"{what}: the JSON is nested too deeply for a model") from error
    except ValueError as error:
        start = text[:40].decode("utf-8", "replace") if isinstance(text, bytes) else text[:40]
        raise ModelFileError(f"{what} is not valid JSON ({error}); it begins with {start!r}") from error
    _check_values(value, what)
    return value


def _check_values(value: Any, what: str) -> None:
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
    for place in places:
        version = place.get("keras_version") if isinstance(place, Mapping) else None
        if isinstance(version, bytes):
            version = version.decode("utf-8", "replace")
        if isinstance(version, str) and version:
            return version
    return ""


# -- .keras archives -----------------------------------------------------------------------------------------------


@contextmanager
def _zip_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except SofieError:
        raise
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise ModelFileError(f"'{path}' is a damaged .keras archive ({error}); fetch or save it again") from error
    except RuntimeError as error:  # zipfile's answer to a password
        raise ModelFileError(f"'{path}': {error}; expected a .keras archive as Keras writes it") from error


def _archive(path: Path, archive: zipfile.ZipFile, given: dict[str, Any] | None) -> SavedModel:
    from sofie_jit.parsers.keras import hdf5

    members = set(archive.namelist())
    sizes = Sizes(path)
    if "config.json" not in members:
        raise ModelFileError(
            f"'{path}' is a zip archive without config.json, so no .keras model; it holds {some(members)}; {SAVE_IT}"
        )
    if "model.weights.h5" not in members:
        raise ModelFileError(
            f"'{path}' has no model.weights.h5; it holds {some(members)}. Only weights in HDF5 are read: {SAVE_IT}"
        )
    config = architecture(parse_json(_member(archive, "config.json", sizes), f"'{path}': config.json"), f"'{path}'")
    version = ""
    if "metadata.json" in members:
        version = keras_version(parse_json(_member(archive, "metadata.json", sizes), f"'{path}': metadata.json"))
    data = io.BytesIO(_member(archive, "model.weights.h5", sizes))
    inner = f"{path}/model.weights.h5"
    with hdf5.errors(inner), hdf5.opened(data) as file:
        vocabularies = _vocabularies(sorted(members), lambda name: _member(archive, name, sizes))
        weights = hdf5.attribute_paths(file, inner, vocabularies)
    return SavedModel(str(path), given or config, weights, version, version)


ASSETS, VOCABULARY = "assets/", "vocabulary.txt"
"""Where an archive has the vocabularies that layers found by ``adapt()``: ``assets/<path of layer>/vocabulary.txt``."""


def _vocabularies(names: Iterable[str], content: Callable[[str], bytes]) -> dict[str, dict[str, Any]]:
    """The vocabularies of integers among the files ``names``, by the path of their layers."""
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        if not name.startswith(ASSETS) or not name.endswith(f"/{VOCABULARY}"):
            continue
        words = content(name).split()
        if all(re.fullmatch(rb"-?\d{1,19}", word) for word in words):
            found[name[len(ASSETS) : -len(VOCABULARY) - 1]] = {"vocabulary": [int(word) for word in words]}
    return found


def _member(archive: zipfile.ZipFile, name: str, sizes: Sizes) -> bytes:
    info = archive.getinfo(name)
    if not name.endswith(".h5") and info.file_size > max(JSON_BYTES, JSON_RATIO * info.compress_size):
        raise ModelFileError(f"'{sizes.path}': {name} {_declares(info.file_size, info.compress_size)}")
    sizes.add(name, info.file_size, info.compress_size, ModelFileError)
    return archive.read(name)


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
            raise error(f"'{self.path}': {what}, with what comes before, {_declares(self.declared, self.stored)}")


def _declares(declared: int, stored: int) -> str:
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


# -- live models ---------------------------------------------------------------------------------------------------


def _live_model(model: Any, given: dict[str, Any] | None) -> SavedModel:
    """A keras.Model in memory, of Keras 3 or 2; Keras is not imported, only its own object asked."""
    name = f"{type(model).__name__} '{getattr(model, 'name', '?')}'"
    package = type(model).__module__.split(".")[0]
    try:
        value = parse_json(model.to_json(), f"{name}: to_json()") if given is None else given
        groups = [_live_group(layer) for layer in model.layers]
    except SofieError:
        raise
    except Exception as error:  # whatever a user's get_config raises, said with its context
        raise ModelFileError(f"{name} cannot describe itself ({type(error).__name__}: {error})") from error
    version = keras_version(value) or str(getattr(sys.modules.get(package), "__version__", ""))
    return SavedModel(name, architecture(value, name), LayerGroups(groups), version, version)


def _live_group(layer: Any) -> Group:
    # Models list their layers; a wrapper or a cell has none of that name.
    if hasattr(layer, "get_layer") and isinstance(getattr(layer, "layers", None), list):
        return Group(layer.name, [], [_live_group(inner) for inner in layer.layers])
    variables = [*layer.trainable_weights, *layer.non_trainable_weights]
    weights = [Weight(getattr(v, "path", v.name), _numbers(v)) for v in variables]
    adapted: dict[str, Any] = {}
    if getattr(layer, "vocabulary_dtype", None) == "int64" and hasattr(layer, "get_vocabulary"):
        adapted["vocabulary"] = [int(token) for token in layer.get_vocabulary()]
        if layer.output_mode == "tf_idf":
            adapted["idf_weights"] = _numbers(layer.idf_weights)
    return Group(layer.name, weights, adapted=adapted)


def _numbers(variable: Any) -> np.ndarray:
    array = np.asarray(variable.numpy() if hasattr(variable, "numpy") else variable)
    return array if array.dtype.kind in "fiub" else array.astype(np.float32)  # ml_dtypes' bfloat16 is kind V


def some(names: Iterable[str], limit: int = 6) -> str:
    listed = sorted(map(str, names))
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")
