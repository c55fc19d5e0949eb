"""Reads the config and the weights of saved Keras models: zip archives and live models here, HDF5 in ``hdf5.py``.

Files are told apart by their content, never by their name. Nothing in a file is executed, imported, unpickled or
unmarshalled, and no other file is opened (external links, virtual datasets). Manipulated internal structures of a file
may trigger bugs of the HDF5 library; therefore :func:`read` reads files in the sandbox.
"""

from __future__ import annotations

import codecs
import dataclasses
import io
import json
import os
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.errors import ModelFileError, SofieError
from sofie_jit.frontends import sandbox
from sofie_jit.frontends.content import examine, some
from sofie_jit.frontends.keras import hdf5
from sofie_jit.frontends.keras.saved_model import (
    SAVE_IT,
    Adapted,
    Group,
    LayerGroups,
    SavedModel,
    Weight,
    architecture,
    keras_version,
)
from sofie_jit.frontends.limits import JSON_BYTES, JSON_RATIO, Sizes, check_values, parse_json, too_large

READER = "sofie_jit.frontends.keras.files:read_file"


def read(
    source: Any,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    untrusted: bool | None = False,
    meanwhile: Callable[[], object] | None = None,
) -> SavedModel:
    """Reads a saved or live Keras model.

    ``source``: the path of an .h5 file (Keras 1, 2 or 3), of a .keras archive or its unpacked directory, of a file of
    weights alone, or a live ``keras.Model``. ``config``: the architecture if the file lacks one; it takes precedence
    over the file's. It is the path of a .json file, JSON text, or a dict. ``untrusted`` and ``meanwhile``: see
    :func:`sandbox.read`.

    Raises FileNotFoundError, ModelFileError (not a saved model, damaged, no architecture) and WeightsError (weights
    that are not numbers).
    """
    given = None if config is None else given_config(config)
    if not isinstance(source, (str, os.PathLike)):
        return _live_model(source, given)
    saved: SavedModel = sandbox.read(READER, source, given, untrusted=untrusted, meanwhile=meanwhile)
    return saved if given is None else dataclasses.replace(saved, config=given)


def read_file(path: Path, given: dict[str, Any] | None = None) -> SavedModel:
    """Reads a file or an unpacked archive in this process; ``given`` is the architecture that takes precedence."""
    if path.is_dir():
        return _directory(path, given)
    content = examine(path)
    if content.is_hdf5:
        return hdf5.read(path, given)
    if zipfile.is_zipfile(path):
        with _zip_errors(path), zipfile.ZipFile(path) as archive:
            return _archive(path, archive, given)
    if content.is_json and b'"weight_map"' in content.head:
        raise ModelFileError(
            f"'{path}' is the index of weights that Keras saved in several files; load them in Keras, "
            "model.load_weights(), and save the model in one file"
        )
    if content.is_json:
        raise ModelFileError(
            f"'{path}' is JSON: an architecture contains no weights; pass it as config= with the file of the weights, "
            f"or {SAVE_IT}"
        )
    raise ModelFileError(f"'{path}' {content.describe()}; expected a saved Keras model: {SAVE_IT}")


def _directory(path: Path, given: dict[str, Any] | None) -> SavedModel:
    """Reads a .keras archive that was unpacked; refuses other directories."""
    if (path / "saved_model.pb").exists():
        raise ModelFileError(
            f"'{path}' is a TensorFlow SavedModel directory, a graph without Keras layers to read; "
            "load it with Keras 2 (keras.models.load_model) and save it with model.save('model.h5'), or, if "
            "model.export() of Keras 3 wrote it, convert it to ONNX: python -m tf2onnx.convert --saved-model DIRECTORY "
            "--output m.onnx"
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


def given_config(config: str | bytes | os.PathLike[str] | Mapping[str, Any]) -> dict[str, Any]:
    """The architecture that a user passes as ``config=``.

    >>> given_config('{"class_name": "Sequential", "config": {"layers": []}}')
    {'class_name': 'Sequential', 'config': {'layers': []}}
    """
    if isinstance(config, Mapping):
        check_values(config, "config=")
        try:
            json.dumps(config)
        except (TypeError, ValueError) as error:
            raise ModelFileError(f"config= contains a value that JSON cannot represent: {error}") from error
        return architecture(dict(config), "config=")
    if isinstance(config, (bytes, bytearray)):
        config = config.decode(json.detect_encoding(config), "replace")
    if isinstance(config, str) and config.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        return architecture(parse_json(config.lstrip("\ufeff"), "config="), "config=")
    if isinstance(config, str) and _is_yaml(config):
        raise ModelFileError(f"config= is YAML, {_NO_YAML}")
    if not isinstance(config, (str, os.PathLike)):
        raise ModelFileError(f"config= should be a path, JSON text or a dict, got {type(config).__name__}")
    path = Path(config)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file '{path}' to take config= from; JSON text begins with '{{'")
    content = path.read_bytes()
    if _is_yaml(content.decode(json.detect_encoding(content), "replace")):
        raise ModelFileError(f"'{path}' is YAML, {_NO_YAML}")
    return architecture(parse_json(content.removeprefix(codecs.BOM_UTF8), f"'{path}'"), f"'{path}'")


_NO_YAML = "which model.to_yaml() of old versions wrote and which is not read; pass the output of model.to_json()"


def _is_yaml(text: str) -> bool:
    """Whether a text is an architecture in YAML, whose keys are the same as in JSON."""
    return re.search(r"^\s*(class_name|backend|keras_version|config): ?", text, re.MULTILINE) is not None


# -- .keras archives -----------------------------------------------------------------------------------------------


@contextmanager
def _zip_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except SofieError:
        raise
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise ModelFileError(f"'{path}' is a damaged .keras archive ({error}); fetch or save it again") from error
    except RuntimeError as error:  # zipfile raises this if a member is encrypted
        raise ModelFileError(f"'{path}': {error}; expected a .keras archive as Keras writes it") from error


def _archive(path: Path, archive: zipfile.ZipFile, given: dict[str, Any] | None) -> SavedModel:
    members = set(archive.namelist())
    sizes = Sizes(path)
    if "config.json" not in members:
        raise ModelFileError(
            f"'{path}' is a zip archive without config.json, so it is not a .keras model; it contains "
            f"{some(members)}; {SAVE_IT}"
        )
    if "model.weights.h5" not in members:
        raise ModelFileError(
            f"'{path}' has no model.weights.h5; it contains {some(members)}. Only weights in HDF5 are read: {SAVE_IT}"
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
"""Vocabularies that layers computed by ``adapt()`` are stored as ``assets/<path of layer>/vocabulary.txt``."""


def _vocabularies(names: Iterable[str], content: Callable[[str], bytes]) -> dict[str, Adapted]:
    """The vocabularies of integers among the files ``names``, by the path of their layers."""
    found: dict[str, Adapted] = {}
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
        raise ModelFileError(f"'{sizes.path}': {name} {too_large(info.file_size, info.compress_size)}")
    sizes.add(name, info.file_size, info.compress_size, ModelFileError)
    return archive.read(name)


# -- live models ---------------------------------------------------------------------------------------------------


def _live_model(model: Any, given: dict[str, Any] | None) -> SavedModel:
    """Reads a keras.Model in memory, of Keras 3 or 2, through its own methods; Keras is not imported."""
    kind = type(model)
    if not all(hasattr(kind, attribute) for attribute in ("get_config", "layers", "weights")):
        raise ModelFileError(f"expected a keras.Model, got an object of type {kind.__module__}.{kind.__qualname__}")
    name = f"{kind.__name__} '{getattr(model, 'name', '?')}'"
    package = kind.__module__.split(".")[0]
    try:
        if given is None:
            model = _with_its_graph(model)
        value = parse_json(model.to_json(), f"{name}: to_json()") if given is None else given
        groups = [_live_group(layer) for layer in model.layers]
    except SofieError:
        raise
    except Exception as error:  # a user's get_config may raise anything
        raise ModelFileError(f"{name} cannot describe itself ({type(error).__name__}: {error})") from error
    version = keras_version(value) or str(getattr(sys.modules.get(package), "__version__", ""))
    return SavedModel(name, architecture(value, name), LayerGroups(groups), version, version)


def _with_its_graph(model: Any) -> Any:
    """``model``, or a Functional model of its layers if its class is a subclass whose config does not contain them.

    keras_hub's backbones are such classes. One that overrides ``call`` stays as it is.
    """
    kind: Any = type(model)
    functional: Any = next((base for base in kind.__mro__ if base.__name__ == "Functional"), None)
    if functional is None or "layers" in model.get_config() or kind.call is not functional.call:
        return model
    return functional(inputs=model.input, outputs=model.output, name=model.name)


def _live_group(layer: Any) -> Group:
    # models have a list of layers and get_layer; wrappers and cells lack one or the other
    if hasattr(layer, "get_layer") and isinstance(getattr(layer, "layers", None), list):
        return Group(layer.name, [], [_live_group(inner) for inner in layer.layers])
    variables = [*layer.trainable_weights, *layer.non_trainable_weights]
    weights = [Weight(getattr(v, "path", v.name), _as_array(v)) for v in variables]
    adapted: Adapted = {}
    if getattr(layer, "vocabulary_dtype", None) == "int64" and hasattr(layer, "get_vocabulary"):
        adapted["vocabulary"] = [int(token) for token in layer.get_vocabulary()]
        if layer.output_mode == "tf_idf":
            adapted["idf_weights"] = _as_array(layer.idf_weights)
    return Group(layer.name, weights, adapted=adapted)


def _as_array(variable: Any) -> np.ndarray:
    array = np.asarray(variable.numpy() if hasattr(variable, "numpy") else variable)
    return array if array.dtype.kind in "fiub" else array.astype(np.float32)  # bfloat16 of ml_dtypes has the kind V
