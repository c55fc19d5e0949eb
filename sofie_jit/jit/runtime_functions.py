"""The functions of ``runtime/*.hxx`` in this process: what Python calls in order to run compiled networks.

Cling compiles them when they are first needed, unless a compiled library, which contains them as machine code, has
been loaded earlier. One set serves all networks of a process, so that they share one pool of threads.
"""

from __future__ import annotations

import functools
import os
import zlib
from _thread import RLock  # importing threading takes 2 ms
from collections.abc import Mapping, Sequence
from ctypes import CFUNCTYPE, PYFUNCTYPE, c_char_p, c_int, c_int64, c_uint64, c_void_p, py_object
from pathlib import Path
from types import SimpleNamespace
from typing import Any

RUNTIME = Path(__file__).parent / "runtime"

TYPES: dict[str, dict[str, Any]] = {
    "session": {
        "create": PYFUNCTYPE(c_uint64, c_uint64, c_void_p),
        "destroy": PYFUNCTYPE(None, c_uint64, c_uint64),
        "run": PYFUNCTYPE(c_int, c_void_p),
        "run_released": CFUNCTYPE(c_int, c_void_p),
    },
    "thread_pool": {
        "start_pool": PYFUNCTYPE(None),
        "run_parallel": CFUNCTYPE(c_int, c_void_p, c_uint64, c_int64, c_uint64, c_uint64),
    },
    "python_call": {
        "start": PYFUNCTYPE(None, c_void_p, c_char_p),
        "new_call": PYFUNCTYPE(py_object, c_void_p, c_void_p, c_void_p, c_void_p),
    },
    "registers": {"vector_bytes": PYFUNCTYPE(c_int)},
}
"""Header -> its functions and their types; those of type CFUNCTYPE release the GIL."""

IN_LIBRARIES = ("session", "thread_pool", "python_call")
"""The headers that are part of compiled libraries, in this order; the others describe Cling."""

AT_START = ("session", "registers")
"""Headers that every network needs, compiled as one text: a second one would take 20 ms."""

_LOCK = RLock()
_FUNCTIONS: dict[str, SimpleNamespace] = {}
_POOLS: list[SimpleNamespace] = []


def text(name: str) -> str:
    """The C++ of ``runtime/<name>.hxx``."""
    return (RUNTIME / f"{name}.hxx").read_text()


@functools.cache
def interface() -> str:
    """A checksum of the text of the runtime: the machine code of libraries fits to the same text only."""
    return f"{zlib.crc32(''.join(map(text, IN_LIBRARIES)).encode()):08x}"  # hashlib takes longer to import than this


def is_known(name: str) -> bool:
    """Whether :func:`functions` takes no time, because the functions have been compiled."""
    return name in _FUNCTIONS


def functions(name: str) -> SimpleNamespace:
    """The functions of ``runtime/<name>.hxx``, callable from Python.

    Raises MissingDependencyError if they must be compiled and Cling does not start.
    """
    with _LOCK:
        if name not in _FUNCTIONS:
            _compile(*(AT_START if name in AT_START else [name]))
        return _FUNCTIONS[name]


def _compile(*names: str) -> None:
    """Compiles these headers as one text."""
    from sofie_jit.jit.compiler import compiler  # not at the top: a compiled library does not need it

    functions = [(name, f"sofie_jit_runtime::{function}") for name in names for function in TYPES[name]]
    what = " and ".join(f"runtime/{name}.hxx" for name in names)
    found = compiler().define("\n".join(map(text, names)), what, *(function for _, function in functions))
    addresses = list(zip(functions, found, strict=True))
    adopt({name: [address for (header, _), address in addresses if header == name] for name in names})


def start() -> None:
    """Starts Cling and compiles what every network needs, unless that has been done.

    Raises MissingDependencyError if Cling does not start.
    """
    functions("session")


def adopt(addresses: Mapping[str, Sequence[int]]) -> None:
    """Makes compiled functions those of this process, where there are none yet.

    ``addresses``: header -> the addresses of its functions, in the order of :data:`TYPES`.
    """
    with _LOCK:
        for name, found in addresses.items():
            types = TYPES[name].items()
            made = {function: kind(address) for (function, kind), address in zip(types, found, strict=True)}
            _FUNCTIONS.setdefault(name, SimpleNamespace(**made))


def thread_pool() -> SimpleNamespace:
    """The functions of ``runtime/thread_pool.hxx``, with the pool started.

    A forked child has none of the threads, so its pool starts anew.
    """
    if not _POOLS:
        with _LOCK:
            if not _POOLS:
                pool = functions("thread_pool")
                pool.start_pool()
                if hasattr(os, "register_at_fork"):
                    os.register_at_fork(after_in_child=pool.start_pool)
                _POOLS.append(pool)
    return _POOLS[0]
