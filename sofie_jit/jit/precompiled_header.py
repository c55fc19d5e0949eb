"""The precompiled header of the standard library, without which cppyy crashes: where it is, or else can be made.

cppyy keeps it among its own files, and makes it on first use. Where it is missing and they cannot be written to, as in
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
"""cppyy's: the file to use; it may say ``none``, and cppyy then crashes."""


def folders() -> list[Path]:
    """Where cppyy looks for the file; the last is where it makes it. Empty if it is not installed."""
    specs = [importlib.util.find_spec(name) for name in ("cppyy", "cppyy_backend")]
    packages = [Path(spec.origin).parent for spec in specs if spec and spec.origin]
    return [*packages[:1], *(package / "etc" for package in packages[1:])]


def find() -> Path | None:
    """The file, if it is there."""
    given = os.environ.get(VARIABLE, "")
    places = [Path(given)] if given else [place for folder in folders() for place in folder.glob("*.pch*")]
    return next((place for place in places if place.is_file()), None)


def cached() -> Path:
    """Where it is made if it cannot be made among cppyy's files."""
    from importlib.metadata import version  # rarely needed, and slow to import

    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sofie_jit"
    return folder / f"cppyy-backend-{version('cppyy-backend')}.pch"


@contextlib.contextmanager
def ensured() -> Iterator[None]:
    """For the start of the real cppyy: sees to it that there is a precompiled header, or can be, and that it is found.

    Raises MissingDependencyError if there cannot, ImportError if cppyy is not installed.
    """
    version = importlib.import_module("cppyy_backend").__version__
    made_by_cppyy = next(iter(folders())) / f"allDict.cxx.pch.{version}"  # the backend alone does not know of it
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
    part = path.with_name(f"{os.getpid()}.pch")  # another process may be making one
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        part.unlink()
    except OSError as error:
        raise MissingDependencyError(
            f"cppyy needs a precompiled header, which is not there and cannot be written to {directory} nor to "
            f"{path.parent} ({error.strerror}): set {VARIABLE} to a file that can be written"
        ) from error
    log.warning("cppyy's precompiled header is not there and %s cannot be written to: making %s", directory, path)
    os.environ[VARIABLE] = str(part)
    try:
        yield
        if part.is_file():
            os.replace(part, path)
            os.environ[VARIABLE] = str(path)
    finally:
        part.unlink(missing_ok=True)
