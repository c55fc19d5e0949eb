"""Reads an untrusted file in a new process with limits, which may crash without harm.

HDF5's library is written in C, and a file with manipulated internal structures can crash it, or worse. The memory and
time of the child process are limited, it cannot write files and can open few, and it sends back JSON and arrays
(:mod:`wire`).
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sofie_jit.errors import ModelFileError, OptionError
from sofie_jit.frontends.content import byte_size
from sofie_jit.frontends.sandbox import wire
from sofie_jit.frontends.sandbox.reader import function, result_type

MEMORY = 1 << 30
"""Bytes that the child may take, Python and its libraries included, in addition to three times the file's size."""
SECONDS = 30.0
"""Time that the child may take, and as much again per 100 MB of the file."""

CHILD = "import sys; sys.path[:] = {path!r}; from sofie_jit.frontends.sandbox.isolated import serve; serve()"


def read(reader: str, path: Path, arguments: Sequence[Any] = (), meanwhile: Callable[[], object] | None = None) -> Any:
    """Calls ``reader`` in a child process; ``meanwhile`` is called in this one while the child reads.

    Raises what the reader and ``meanwhile`` raise; ModelFileError if the child crashes, or needs more time or memory
    than it may have.
    """
    try:
        request = json.dumps([reader, str(path), list(arguments)]).encode()
    except (TypeError, ValueError) as error:
        raise OptionError(f"an option contains a value that JSON cannot represent: {error}") from error
    expected, size = result_type(reader), byte_size(path)
    seconds = SECONDS * (1 + size / 1e8)
    command = [sys.executable, "-c", CHILD.format(path=sys.path), str(MEMORY + 3 * size), str(int(seconds) + 1)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child, _killed_on_error(child):  # fmt: skip
        if meanwhile:
            meanwhile()
        try:
            output, errors = child.communicate(request, seconds)
        except subprocess.TimeoutExpired as error:
            raise ModelFileError(f"'{path}' could not be read in {seconds:.0f} s; it is damaged or hostile") from error
    if child.returncode:
        last = errors.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise crash(path, f"signal {-child.returncode}" if child.returncode < 0 else last)
    try:
        return wire.receive(io.BytesIO(output), path, expected)
    except EOFError as error:
        raise ModelFileError(f"'{path}': the process that read it ended too early") from error


@contextlib.contextmanager
def _killed_on_error(child: subprocess.Popen[bytes]) -> Any:
    try:
        yield
    except BaseException:  # an interrupt, too
        child.kill()
        raise


def crash(path: Path, how: str) -> ModelFileError:
    """The error for a file that crashed the process that read it."""
    return ModelFileError(
        f"'{path}' crashed the process that read it ({how}); it is damaged or hostile: fetch or save it again"
    )


def serve() -> None:
    """The child: answers one request from standard input on standard output, within the limits that ``argv`` gives."""
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
    reader, path, arguments = json.load(sys.stdin.buffer)
    wire.send(sys.stdout.buffer, path, lambda: function(reader)(Path(path), *arguments), result_type(reader))
