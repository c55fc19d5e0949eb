"""Files mapped into memory."""

from __future__ import annotations

import mmap
import os
import stat
from pathlib import Path

from sofie_jit.errors import ModelFileError


def map_file(path: Path) -> memoryview:
    """The content of a regular file, mapped into memory."""
    with open(path, "rb", opener=_open_regular) as file:
        if not os.fstat(file.fileno()).st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _open_regular(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK)  # a named pipe without a writer would block
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ModelFileError(f"'{path}' is not a regular file")
    return descriptor
