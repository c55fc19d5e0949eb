"""Remembers the files whose networks were in the cache of compiled models, so that Cling is not started for them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sofie_jit.jit import cache_folder

used: set[str] = set()
"""The keys of the entries that this process has loaded."""

recurring: list[str] = []
"""The keys of the networks, as often as this process compiled or loaded them, that this user had compiled before."""


def expects(source: object) -> bool:
    """Whether the network of a file was in the cache when it was loaded last, so that Cling need not start early."""
    hint = _hint(source)
    return hint is not None and hint.exists()


@contextlib.contextmanager
def noted(source: object) -> Iterator[None]:
    """Notes for :func:`expects` whether loading a file, which happens inside, takes its code from the cache."""
    before = set(used)
    yield
    hint = _hint(source) if before != used else None
    if hint is not None:
        with contextlib.suppress(OSError):
            hint.touch(mode=0o600)


def _hint(source: object) -> Path | None:
    if not isinstance(source, (str, os.PathLike)) or (folder := cache_folder.usable()) is None:
        return None
    try:
        path = Path(source).absolute()
        found = path.stat()
    except OSError:
        return None
    import hashlib

    facts = f"{path}\0{found.st_size}\0{found.st_mtime_ns}"
    return folder / f"{hashlib.sha256(facts.encode()).hexdigest()[:32]}.hint"
