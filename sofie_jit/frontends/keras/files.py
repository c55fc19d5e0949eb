"""Saved Keras models -> their config and their weights: zip archives and live models here, HDF5 in ``hdf5.py``.

Formats are told apart by content, never by file name. Nothing in a file is executed, imported, unpickled or
unmarshalled, and nothing outside the file is opened on its behalf (external links, virtual datasets). What this
cannot guard against is a bug of the HDF5 library itself, met in a file whose inner structures were tampered with;
``forked.py`` and ``isolated.py`` do.
"""

from __future__ import annotations

import io
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
from sofie_jit.frontends.keras import hdf5
from sofie_jit.frontends.keras.saved_model import (
    JSON_BYTES,
    JSON_RATIO,
    SAVE_IT,
    Group,
    LayerGroups,
    SavedModel,
    Sizes,
    Weight,
    architecture,
    check_values,
    keras_version,
    parse_json,
    some,
    too_large,
)


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


def _directory(path: Path, given: dict[str, Any] | None) -> SavedModel:
    """A .keras archive that was unpacked; other directories are refused."""
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
        check_values(config, "config=")
        return architecture(dict(config), "config=")
    if isinstance(config, str) and config.lstrip()[:1] in ("{", "["):
        return architecture(parse_json(config, "config="), "config=")
    path = Path(config)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file '{path}' to take config= from; JSON text begins with '{{'")
    return architecture(parse_json(path.read_bytes(), f"'{path}'"), f"'{path}'")


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
        raise ModelFileError(f"'{sizes.path}': {name} {too_large(info.file_size, info.compress_size)}")
    sizes.add(name, info.file_size, info.compress_size, ModelFileError)
    return archive.read(name)


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
