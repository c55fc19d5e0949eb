"""Reads Keras's weights from HDF5: the layouts of .h5 files of all versions and of .keras archives.

This is the only module that imports h5py.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sofie_jit.errors import ModelFileError, SofieError, WeightsError
from sofie_jit.frontends.content import some
from sofie_jit.frontends.keras.saved_model import (
    SAVE_IT,
    Adapted,
    AttributePaths,
    Group,
    LayerGroups,
    SavedModel,
    Weight,
    architecture,
    is_training_state,
    keras_version,
    no_architecture,
)
from sofie_jit.frontends.limits import MAX_DEPTH, Sizes, parse_json

FILTERS = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF)
"""The compression filters that are built into HDF5; for any other its library would look for a plugin to load."""


@contextmanager
def errors(path: str) -> Iterator[None]:
    """Turns the unrelated exceptions that h5py raises for a damaged file into ModelFileError."""
    try:
        yield
    except SofieError:
        raise
    except (OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError, ArithmeticError,
            MemoryError) as error:  # fmt: skip
        raise ModelFileError(f"'{path}' is damaged or incomplete ({error}); fetch or save it again") from error


def opened(file: Path | io.BytesIO) -> h5py.File:
    """Opens a file, or its content in memory, for reading."""
    # shared and read-only file systems often do not support locks
    return h5py.File(file, "r", locking="best-effort") if isinstance(file, Path) else h5py.File(file, "r")


def read(path: Path, given: dict[str, Any] | None) -> SavedModel:
    """Reads a model from an HDF5 file of any layout; ``given`` is the architecture that takes precedence."""
    with errors(str(path)), opened(path) as file:
        text = file.attrs.get("model_config")
        has_weights = "model_weights" in file
        root = _child(file, "model_weights", str(path)) if has_weights else file
        if not isinstance(root, h5py.Group):
            raise ModelFileError(f"'{path}': 'model_weights' is not a group, as it is in a Keras model")

        version = keras_version(root.attrs, file.attrs)
        backend = _text(root.attrs.get("backend", file.attrs.get("backend", "")))
        if text is not None:
            value = parse_json(_text(text), f"'{path}': model_config")
            config = given or architecture(value, f"'{path}': model_config")
            if not has_weights and not _has_list(file, "layer_names"):
                raise ModelFileError(f"'{path}' has an architecture but no group 'model_weights'; {SAVE_IT}")
            wrote = keras_version(given) if given else keras_version(file.attrs, value)
            return SavedModel(str(path), config, _layer_groups(root, str(path)), wrote or version, version, backend)
        if _has_list(root, "layer_names"):
            if given is None:
                raise no_architecture(path, "written by save_weights of Keras 1 or 2")
            wrote = keras_version(given) or version
            return SavedModel(str(path), given, _layer_groups(root, str(path)), wrote, version, backend)
        if any(name in file for name in ("layers", "_layer_checkpoint_dependencies")):
            if given is None:
                raise no_architecture(path, "written by save_weights of Keras 3")
            return SavedModel(str(path), given, attribute_paths(file, str(path)), keras_version(given) or "3", "3")
        if {"optimizer_weights", "optimizer", "_optimizer"} & set(file):
            raise ModelFileError(f"'{path}' contains the state of an optimizer and no model; {SAVE_IT}")
        raise ModelFileError(
            f"'{path}' is HDF5 but not a Keras model: it has neither the attribute model_config nor layer_names; "
            f"it contains {some([*file.attrs, *file]) or 'nothing'}"
        )


def _text(value: Any) -> str:
    """The text of an HDF5 attribute, which may be bytes, str, or an array with one of them."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _has_list(group: h5py.Group, name: str) -> bool:
    return name in group.attrs or f"{name}0" in group.attrs


def _names(group: h5py.Group, name: str) -> list[str]:
    """A list of names in an attribute, or in ``name0``, ``name1``, ... if it was too long for one attribute."""
    if name in group.attrs:
        chunks: Iterable[Any] = [group.attrs[name]]
    else:
        count = next(i for i in range(len(group.attrs) + 1) if f"{name}{i}" not in group.attrs)
        chunks = [group.attrs[f"{name}{i}"] for i in range(count)]
    return [_text(item) for chunk in chunks for item in np.ravel(chunk)]


def _child(group: h5py.Group, name: str, path: str) -> h5py.Group | h5py.Dataset:
    """``group[name]`` for a path ``name``; only hard links are followed."""
    node: Any = group
    for part in filter(None, name.split("/")):
        key = part.encode()
        if not isinstance(node, h5py.Group) or not node.id.links.exists(key):
            raise WeightsError(f"'{path}': '{group.name}' lists '{name}', which the file does not contain")
        if node.id.links.get_info(key).type != h5py.h5l.TYPE_HARD:
            raise WeightsError(
                f"'{path}': '{node.name}/{part}' is a link to elsewhere, which is not followed; "
                "a saved model contains its own weights"
            )
        node = node[part]
    return node


def _array(dataset: Any, sizes: Sizes) -> np.ndarray:
    """The array of a dataset, in native byte order."""
    if not isinstance(dataset, h5py.Dataset):
        raise WeightsError(f"'{sizes.path}': '{dataset.name}' is a group where weights were expected")
    where = f"'{sizes.path}': weight '{dataset.name}'"
    if dataset.external or dataset.is_virtual:
        raise WeightsError(
            f"{where} is stored in another file, which is not opened; a saved model contains its own weights"
        )
    settings = dataset.id.get_create_plist()
    if foreign := {settings.get_filter(i)[0] for i in range(settings.get_nfilters())} - {*FILTERS}:
        raise WeightsError(f"{where} is compressed by a plugin (filter {min(foreign)}), which is not loaded; {SAVE_IT}")
    dtype = dataset.dtype
    bytes_declared = (dataset.size or 0) * dtype.itemsize
    sizes.add(f"weight '{dataset.name}'", bytes_declared, dataset.id.get_storage_size(), WeightsError)
    # Keras 3 stores the type as an attribute; in legacy files h5py returns an unknown type of two bytes
    if dtype.itemsize == 2 and (dataset.attrs.get("dtype") == "bfloat16" or (dtype.kind == "V" and not dtype.names)):
        halves = np.asarray(dataset[()]).view(np.uint16)  # bfloat16 is the upper half of float32
        return (halves.astype(np.uint32) << 16).view(np.float32)
    if dtype.kind not in "fiub" or dataset.shape is None:
        raise WeightsError(f"{where} has the type {dtype}; expected numbers")
    return np.asarray(dataset[()], dtype=dtype.newbyteorder("="))


def _layer_groups(root: h5py.Group, path: str) -> LayerGroups:
    """Reads the layout of .h5 files: groups in the order of ``layer_names``, arrays in that of ``weight_names``."""
    groups, sizes = [], Sizes(path)
    for name in _names(root, "layer_names"):
        group = _child(root, name, path)
        if not isinstance(group, h5py.Group):
            raise WeightsError(f"'{path}': layer '{name}' is not a group")
        weights = [Weight(w, _array(_child(group, w, path), sizes)) for w in _names(group, "weight_names")]
        groups.append(Group(name, weights))
    if "top_level_model_weights" in root:
        top = _child(root, "top_level_model_weights", path)
        if isinstance(top, h5py.Group) and (names := _names(top, "weight_names")):
            raise WeightsError(
                f"'{path}': the model has weights outside its layers ({some(names)}), which no layer uses"
            )
    return LayerGroups(groups)


def attribute_paths(file: h5py.File, path: str, adapted: dict[str, Adapted] | None = None) -> AttributePaths:
    """Reads the layout of Keras 3, ``layers/dense_1/vars/0``; ``adapted`` has options from the archive by layer."""
    options: dict[str, Adapted] = {path: dict(values) for path, values in (adapted or {}).items()}
    paths: dict[str, list[Weight]] = {}
    sizes = Sizes(path)
    seen: set[h5py.Group] = {file["/"]}
    todo: list[tuple[str, h5py.Group]] = [("", file)]
    while todo:
        name, group = todo.pop()
        for key in group:
            child = _child(group, key, path)
            if not isinstance(child, h5py.Group):
                raise WeightsError(f"'{path}': '{child.name}' is not where Keras stores weights ('.../vars/0')")
            if child in seen:
                raise WeightsError(
                    f"'{path}': the group '{child.name}' is linked twice; the file is damaged or hostile"
                )
            seen.add(child)
            if name.count("/") > MAX_DEPTH:
                raise WeightsError(f"'{path}': groups are nested more than {MAX_DEPTH} levels deep; no Keras model is")
            if key != "vars":
                todo.append((f"{name}/{key}" if name else key, child))
            elif list(child) == ["idf_weights"]:
                options.setdefault(name, {})["idf_weights"] = _array(_child(child, "idf_weights", path), sizes)
            elif len(child) and not is_training_state(name):
                indices = sorted(child, key=lambda k: (len(k), k))
                paths[name] = [Weight(f"{name}/vars/{i}", _array(_child(child, i, path), sizes)) for i in indices]
    # the name of the list of layers in Keras 2.12 and 2.13
    paths = {re.sub(r"\b_layer_checkpoint_dependencies\b", "layers", key): value for key, value in paths.items()}
    return AttributePaths(paths, options)
