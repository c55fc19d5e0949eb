"""Reads model files in another process, because a damaged or hostile file can crash or take over the one that reads it.

A reader is a function of a path and JSON values that returns what the wire format (:mod:`wire`) can send. It is named
``"module:function"`` by the frontend, never by a file, and runs

* in a forked copy of this process by default (:mod:`forked`): about 10 ms, an error if it crashes;
* in a new process with limits of memory, time and files if the file is untrusted (:mod:`isolated`): about a second;
* in this process if the file is trusted.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from sofie_jit.frontends.content import existing
from sofie_jit.frontends.sandbox import forked, isolated
from sofie_jit.frontends.sandbox.reader import function


def read(
    reader: str,
    path: str | os.PathLike[str],
    *arguments: Any,
    untrusted: bool | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> Any:
    """Calls the function ``reader`` with a file's path and ``arguments``, in the process that ``untrusted`` selects.

    ``reader``: ``"module:function"``; its return annotation is the type of the result.
    ``arguments``: values of JSON.
    ``untrusted``: None reads in a forked copy of this process, True in a process with limits, False in this process.
    ``meanwhile``: called in this process while another one reads; not called if this process reads.

    Raises what the reader and ``meanwhile`` raise, FileNotFoundError if there is no such file, and ModelFileError if
    the other process crashes, takes too long or needs too much memory.
    """
    path = existing(path)
    if untrusted:
        return isolated.read(reader, path, arguments, meanwhile)
    if untrusted is None and forked.CAN_FORK:
        return forked.read(reader, path, arguments, meanwhile)
    return function(reader)(path, *arguments)
