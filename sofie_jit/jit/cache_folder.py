"""The folder for files that save time in later processes, if there is one that can be trusted."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

VARIABLE = "SOFIE_JIT_CACHE"
"""Environment variable: the path of the folder, or ``off``. By default it is ``sofie_jit`` in the user's cache."""


def chosen() -> Path | None:
    """The path of the folder, whether it can be used or not; None if it is switched off or there is no home."""
    given = os.environ.get(VARIABLE, "")
    if given.lower() == "off":
        return None
    try:
        return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sofie_jit"
    except RuntimeError:  # the user has no home
        return None


def problem(folder: Path) -> str:
    """Why a folder must not be used; '' if it is a directory of this user that nobody else can write to."""
    try:
        found = folder.stat()
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if not folder.is_dir():
        return "it is not a directory"
    return "" if is_own(found) else "it belongs to another user, or others can write to it"


def is_own(found: os.stat_result) -> bool:
    """Whether a file or directory belongs to this user, and nobody else can write to it."""
    return (not hasattr(os, "getuid") or found.st_uid == os.getuid()) and not found.st_mode & 0o022


def usable() -> Path | None:
    """The folder, which exists and can be trusted; None if there is none.

    Code is loaded from it, so a folder that another user could have written to is not used.
    """
    folder = chosen()
    if folder is None:
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:  # read-only, full, or a file is in its place
        return None
    return folder if not problem(folder) else None


def write(path: Path, parts: list[bytes]) -> None:
    """Writes a file that other processes see complete or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(parts)
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
