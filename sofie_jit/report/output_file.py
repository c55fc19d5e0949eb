"""Checks the path of a file that will be written, before the work whose results it gets."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from sofie_jit.errors import MissingDependencyError, OptionError

IMAGES = (".svg", ".png", ".pdf")
"""Suffixes of files of figures."""


def in_folder(path: Path) -> Path:
    """``path``, if it can be a file in an existing folder.

    Raises FileNotFoundError and NotADirectoryError with the name of the folder, and IsADirectoryError.

    >>> in_folder(Path("no folder/m.hxx"))
    Traceback (most recent call last):
        ...
    FileNotFoundError: there is no folder 'no folder' to write 'm.hxx' to; create it first
    """
    folder = path.parent
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder '{folder}' to write '{path.name}' to; create it first")
    if not folder.is_dir():
        raise NotADirectoryError(f"'{folder}' is not a folder, so '{path.name}' cannot be written to it")
    if path.is_dir():
        raise IsADirectoryError(f"'{path}' is a folder; give the name of a file in it")
    return path


def refuse_input(path: Path, inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Raises OptionError if ``path`` is one of the files ``inputs``, also by another name or a link."""
    for read in inputs:
        if path.exists() and os.path.exists(read) and path.samefile(read):
            raise OptionError(f"'{path}' is read by this command and would be overwritten: give another output")


def with_suffix(path: Path, suffixes: Sequence[str], what: str) -> Path:
    """``path``, if its suffix is one of ``suffixes`` and :func:`in_folder` accepts it; else raises OptionError.

    >>> with_suffix(Path("m.jpg"), IMAGES, "a figure")
    Traceback (most recent call last):
        ...
    sofie_jit.errors.OptionError: a figure is written as .svg, .png or .pdf, not as 'm.jpg'
    """
    if path.suffix not in suffixes:
        *others, last = suffixes
        allowed = f"{', '.join(others)} or {last}" if others else last
        raise OptionError(f"{what} is written as {allowed}, not as '{path}'")
    return in_folder(path)


def figure_file(path: Path) -> Path:
    """``path``, if a figure can be drawn to it.

    Raises OptionError for another suffix than those of :data:`IMAGES`, FileNotFoundError if there is no such folder,
    and MissingDependencyError if matplotlib, which draws it, is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingDependencyError(f"matplotlib, which draws '{path}', is not installed: pip install matplotlib")
    return with_suffix(path, IMAGES, "a figure")
