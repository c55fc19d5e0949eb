"""The precompiled header of the standard library, without which cppyy crashes.

cppyy keeps it in its own folder and makes it on first use. If it is missing there and the folder is not writable, as in
an environment that somebody else installed, it is made in the user's cache.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from sofie_jit.errors import MissingDependencyError

log = logging.getLogger(__name__)

VARIABLE = "CLING_STANDARD_PCH"
"""Environment variable of cppyy: the file to use. If it is ``none``, cppyy crashes."""


def folders() -> list[Path]:
    """The folders in which cppyy looks for the file; it makes it in the last one. Empty if it is not installed."""
    specs = [importlib.util.find_spec(name) for name in ("cppyy", "cppyy_backend")]
    packages = [Path(spec.origin).parent for spec in specs if spec and spec.origin]
    return [*packages[:1], *(package / "etc" for package in packages[1:])]


def find() -> Path | None:
    """The path of the file, or None if there is none."""
    given = os.environ.get(VARIABLE, "")
    candidates = [Path(given)] if given else [path for folder in folders() for path in folder.glob("*.pch*")]
    return next((path for path in candidates if path.is_file()), None)


def cached() -> Path:
    """The path in the user's cache."""
    from importlib.metadata import version  # rarely needed, and slow to import

    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sofie_jit"
    return folder / f"cppyy-backend-{version('cppyy-backend')}.pch"


@contextlib.contextmanager
def ensured() -> Iterator[None]:
    """Context in which cppyy starts: it finds the file, or can make it.

    Raises MissingDependencyError if the file is missing and can be written nowhere, ImportError if cppyy is not
    installed.
    """
    version = importlib.import_module("cppyy_backend").__version__
    made_by_cppyy = next(iter(folders())) / f"allDict.cxx.pch.{version}"  # the backend alone does not look there
    if VARIABLE not in os.environ and made_by_cppyy.is_file():
        os.environ[VARIABLE] = str(made_by_cppyy)
    given = os.environ.get(VARIABLE, "")
    directory = Path(given).parent if given else folders()[-1]
    if find() or (given.lower() != "none" and os.access(directory, os.R_OK | os.W_OK)):
        yield
        return
    path = cached()
    if path.is_file():
        os.environ[VARIABLE] = str(path)
        yield
        return
    part = path.with_name(f"{os.getpid()}.pch")  # another process may be making one at the same time
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        part.unlink()
    except OSError as error:
        raise MissingDependencyError(
            f"cppyy needs a precompiled header, which is missing and can be written neither to {directory} nor to "
            f"{path.parent} ({error.strerror}): set {VARIABLE} to a file that can be written"
        ) from error
    log.warning("cppyy's precompiled header is missing and %s is not writable: making %s", directory, path)
    os.environ[VARIABLE] = str(part)
    try:
        yield
        if part.is_file():
            os.replace(part, path)
            os.environ[VARIABLE] = str(path)
    finally:
        part.unlink(missing_ok=True)
