"""What a process that reads files sends to the one that asked: numbers and JSON, never a pickle.

A file may have turned the reader's memory into anything, so what it sends is checked like a file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sofie_jit import errors
from sofie_jit.errors import ModelFileError, SofieError
from sofie_jit.frontends.keras.saved_model import (
    AttributePaths,
    Group,
    LayerGroups,
    SavedModel,
    Weight,
    parse_json,
)


def send(out: BinaryIO, path: str | Path, read: Callable[[], SavedModel]) -> None:
    """Writes to ``out`` what ``read`` gives of the file at ``path``, or the error that it raises."""
    arrays: list[np.ndarray] = []
    try:
        header = _described(read(), arrays)
    except SofieError as error:
        header = {"error": type(error).__name__, "message": str(error)}
    except OSError as error:  # no permission, a disk that fails
        what = [error.errno, error.strerror, error.filename and str(error.filename)] if error.errno else [str(error)]
        header = {"error": "OSError", "message": what}
    except Exception as error:
        why = f"cannot be read ({type(error).__name__}: {error}); this is a bug of sofie_jit"
        header = {"error": "ModelFileError", "message": f"'{path}' {why}"}
    text = json.dumps(header).encode()
    out.write(len(text).to_bytes(8, "little") + text)
    for array in arrays:
        out.write(array.data.cast("B") if array.size else b"")
    out.flush()


def _described(saved: SavedModel, arrays: list[np.ndarray]) -> dict[str, Any]:
    """``saved`` as JSON, its arrays appended to ``arrays``."""

    def described(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            arrays.append(np.ascontiguousarray(value))
            return {"array": [value.dtype.str, list(value.shape)]}
        if isinstance(value, Weight):
            return [value.name, described(value.array)]
        if isinstance(value, Mapping):
            return {key: described(item) for key, item in value.items()}
        return [described(item) for item in value] if isinstance(value, list) else value

    weights = saved.weights
    if isinstance(weights, LayerGroups):
        content = {"groups": [[group.name, described(group.weights)] for group in weights.groups]}
    else:
        content = {"paths": described(weights.paths), "adapted": described(weights.adapted)}
    return {"texts": [saved.config, saved.keras_version, saved.weights_version, saved.backend], **content}


def received(path: Path, answer: BinaryIO) -> SavedModel:
    """What was sent.

    Raises the error that was sent, EOFError if the sender ended too early, and ModelFileError for what makes no sense.
    """
    try:
        header = parse_json(_bytes(answer, int.from_bytes(_bytes(answer, 8), "little")), f"'{path}'")
        if header.get("error") == "OSError":
            raise OSError(*header["message"])
        if "error" in header:
            raise getattr(errors, header["error"])(header["message"])

        def restored(value: Any) -> Any:
            if isinstance(value, list):
                return [restored(item) for item in value]
            if not isinstance(value, dict):
                return value
            if set(value) != {"array"}:
                return {key: restored(item) for key, item in value.items()}
            dtype, shape = np.dtype(value["array"][0]), value["array"][1]
            if dtype.kind not in "fiub":
                raise ValueError(f"an array of type {dtype}")
            return np.frombuffer(_bytes(answer, dtype.itemsize * math.prod(shape)), dtype).reshape(shape)

        def weights(listed: Any) -> list[Weight]:
            return [Weight(str(name), array) for name, array in restored(listed)]

        config, *versions = header["texts"]
        found: LayerGroups | AttributePaths
        if "groups" in header:
            found = LayerGroups([Group(str(name), weights(listed)) for name, listed in header["groups"]])
        else:
            paths = {name: weights(listed) for name, listed in header["paths"].items()}
            found = AttributePaths(paths, restored(header["adapted"]))
        return SavedModel(str(path), config, found, *map(str, versions))
    except (SofieError, OSError, EOFError):
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, MemoryError) as error:
        raise ModelFileError(f"'{path}': the process that read it gave no sense ({error})") from error


def _bytes(answer: BinaryIO, count: int) -> bytes:
    found = answer.read(count)
    if len(found) < count:
        raise EOFError
    return found
