"""Loads the machine code of compiled libraries, without cppyy and without a compiler."""

from __future__ import annotations

import ctypes
import os
from _thread import allocate_lock  # importing threading takes 2 ms
from pathlib import Path

from sofie_jit.errors import ModelFileError
from sofie_jit.jit import runtime_functions
from sofie_jit.jit.library_file import LibraryFile

_LOCK = allocate_lock()
_LOADED: dict[str, Library] = {}


DEFERRED = "sofie_jit_deferred"
"""The symbol of the table of deferred functions in entries of the cache."""


class Library:
    """The loaded machine code of a library. It stays loaded until the process ends.

    ``functions``: addresses of ``create``, ``destroy`` and ``infer`` of the network.
    ``weights``: the address of the array of the addresses of its weights.
    """

    def __init__(self, library: ctypes.CDLL):
        self._library, table = library, _table(library)
        self.functions, self.weights = tuple(table[:3]), table[3]
        counts = {name: len(runtime_functions.TYPES[name]) for name in runtime_functions.IN_LIBRARIES}
        addresses, place = {}, 4
        for name, count in counts.items():
            addresses[name], place = table[place : place + count], place + count
        runtime_functions.adopt(addresses)

    def deferred(self, count: int) -> list[int]:
        """The addresses of the functions that the JIT defers, of which the network has ``count``."""
        return [address or 0 for address in (ctypes.c_void_p * count).in_dll(self._library, DEFERRED)]


def load(file: LibraryFile) -> Library:
    """Loads the code of a library, which runs with all rights of this process.

    Equal libraries are loaded once per process.

    Raises ModelFileError if it does not run here.
    """
    file.check()
    identity = file.facts.identity
    with _LOCK:
        if identity not in _LOADED:
            _LOADED[identity] = Library(_opened(file, identity))
        return _LOADED[identity]


def _opened(file: LibraryFile, identity: str) -> ctypes.CDLL:
    """The library as loaded by the system.

    The system takes a path that it has loaded before for the same library, even if the file was replaced since. It then
    gets a new path.
    """
    if _is_at_its_path(file):
        found = _dlopen(file, file.path.absolute())
        if _identity(found) == identity:
            return found
    import tempfile  # rarely needed, and slow to import

    with tempfile.TemporaryDirectory(prefix="sofie_jit_") as folder:
        path = Path(folder) / f"{identity}.so"
        path.symlink_to(f"/proc/self/fd/{file.descriptor}")
        found = _dlopen(file, path)
    if _identity(found) != identity:
        raise ModelFileError(f"'{file.path}': its code and its description are of different networks; write it again")
    return found


def _is_at_its_path(file: LibraryFile) -> bool:
    """Whether the opened file is still the one at its path."""
    try:
        return os.path.samestat(os.fstat(file.descriptor), file.path.stat())
    except OSError:
        return False


def _dlopen(file: LibraryFile, path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path), mode=os.RTLD_NOW | os.RTLD_LOCAL)
    except OSError as error:
        raise ModelFileError(f"'{file.path}' cannot be loaded here: {error}. Write it again on this machine") from error


def _identity(library: ctypes.CDLL) -> str:
    try:
        return (ctypes.c_char * 32).in_dll(library, "sofie_jit_identity").value.decode()
    except ValueError:  # it has no such symbol
        return ""


def _table(library: ctypes.CDLL) -> list[int]:
    count = 4 + sum(len(runtime_functions.TYPES[name]) for name in runtime_functions.IN_LIBRARIES)
    library.sofie_jit_table.restype = ctypes.POINTER(ctypes.c_uint64 * count)
    return list(library.sofie_jit_table().contents)
