"""Files of strangers are read in a process of their own, which may die without harm.

HDF5's library is C, and its own internal structures, tampered with, can make it crash or worse. So ``untrusted=True``
lets a child process read the file. It has limits of memory and time, may write no file and open few, and sends
back numbers and JSON (``transfer.py``).
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sofie_jit.errors import ModelFileError
from sofie_jit.frontends.keras import files, transfer
from sofie_jit.frontends.keras.saved_model import SavedModel

MEMORY = 1 << 30
"""Bytes that the child may take, Python and its libraries included, beside thrice the file's size."""
SECONDS = 30.0
"""What it may take, and as much again for every 100 MB of the file."""

CHILD = "import sys; sys.path[:] = {path!r}; from sofie_jit.frontends.keras.isolated import serve; serve()"


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
    size = files.size(path)
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
    try:
        return transfer.received(path, io.BytesIO(child.stdout))
    except EOFError as error:
        raise ModelFileError(f"'{path}': the process that read it ended too early") from error


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
    transfer.send(sys.stdout.buffer, path, lambda: files.read(path, config))
