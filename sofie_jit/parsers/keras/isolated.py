"""Files of strangers are read in a process of their own, which may die without harm.

HDF5's library is C, and its own internal structures, tampered with, can make it crash or worse. So ``untrusted=True``
lets a child process read the file. It has limits of memory and time, may write no file and open few, and sends
back numbers and JSON, never a pickle; what it sends is checked like the file itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sofie_jit import errors
from sofie_jit.errors import ModelFileError, SofieError
from sofie_jit.parsers.keras import files
from sofie_jit.parsers.keras.files import AttributePaths, Group, LayerGroups, SavedModel, Weight

MEMORY = 1 << 30
"""Bytes that the child may take, Python and its libraries included, beside thrice the file's size."""
SECONDS = 30.0
"""What it may take, and as much again for every 100 MB of the file."""

CHILD = "import sys; sys.path[:] = {path!r}; from sofie_jit.parsers.keras.isolated import serve; serve()"


def read(source: Any, config: str | os.PathLike[str] | Mapping[str, Any] | None = None) -> SavedModel:
    """:func:`files.read` in a child process; live models, which are no files, are read here.

    Raises what it raises; ModelFileError if the child crashes, or needs more time or memory than it may have.
    """
    if not isinstance(source, (str, os.PathLike)):
        return files.read(source, config)
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"there is no file '{path}'")
    try:
        request = json.dumps([str(path), None if config is None else files.given_config(config)])
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"config= holds what JSON cannot say: {error}") from error
    size = sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")))
    seconds = SECONDS * (1 + size / 1e8)
    command = [sys.executable, "-c", CHILD.format(path=sys.path), str(MEMORY + 3 * size), str(int(seconds) + 1)]
    try:
        child = subprocess.run(command, input=request.encode(), capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise ModelFileError(f"'{path}' could not be read in {seconds:.0f} s; it is damaged or hostile") from error
    if child.returncode:
        last = child.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        how = f"signal {-child.returncode}" if child.returncode < 0 else last
        raise ModelFileError(
            f"'{path}' crashed the process that read it ({how}); it is damaged or hostile: fetch or save it again"
        )
    return _received(path, child.stdout)


def serve() -> None:
    """What the child does: one request from its standard input, one answer to its standard output."""
    import resource

    memory, seconds = map(int, sys.argv[1:])
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(limit, (value, value))
    path, config = json.load(sys.stdin.buffer)
    try:
        _send(sys.stdout.buffer, files.read(path, config))
    except SofieError as error:
        _write(sys.stdout.buffer, {"error": type(error).__name__, "message": str(error)}, [])


def _send(out: BinaryIO, saved: SavedModel) -> None:
    arrays: list[np.ndarray] = []

    def described(value: Any) -> Any:
        """``value`` with the arrays taken out."""
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
    texts = [saved.config, saved.keras_version, saved.weights_version, saved.backend]
    _write(out, {"texts": texts, **content}, arrays)


def _write(out: BinaryIO, header: Any, arrays: list[np.ndarray]) -> None:
    text = json.dumps(header).encode()
    out.write(len(text).to_bytes(8, "little") + text)
    for array in arrays:
        out.write(array.data.cast("B") if array.size else b"")
    out.flush()


def _received(path: Path, answer: bytes) -> SavedModel:
    """What the child sent; it is no more trusted than the file."""
    try:
        start = 8 + int.from_bytes(answer[:8], "little")
        header = files.parse_json(answer[8:start], f"'{path}'")
        if "error" in header:
            kind = getattr(errors, header["error"])
            raise kind(header["message"])
        body, place = memoryview(answer), start

        def restored(value: Any) -> Any:
            nonlocal place
            if isinstance(value, list):
                return [restored(item) for item in value]
            if not isinstance(value, dict):
                return value
            if set(value) != {"array"}:
                return {key: restored(item) for key, item in value.items()}
            dtype, shape = np.dtype(value["array"][0]), value["array"][1]
            if dtype.kind not in "fiub":
                raise ValueError(f"an array of type {dtype}")
            count = int(np.prod(shape, dtype=object)) if shape else 1
            array = np.frombuffer(body, dtype, count, place).reshape(shape)
            place += array.nbytes
            return array

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
    except SofieError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"'{path}': the process that read it gave no sense ({error})") from error
