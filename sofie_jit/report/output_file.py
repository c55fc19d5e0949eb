"""Checks the path of a file that will be written, before the work whose results it gets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sofie_jit.errors import OptionError

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


def with_suffix(path: Path, suffixes: Sequence[str], what: str) -> Path:
    """``path``, if its suffix is one of ``suffixes`` and :func:`in_folder` accepts it; else raises OptionError.

    >>> with_suffix(Path("m.jpg"), IMAGES, "a figure")
    Traceback (most recent call last):
        ...
    sofie_jit.errors.OptionError: a figure is written as .svg, .png or .pdf, not as 'm.jpg'
    """
    if path.suffix not in suffixes:
        raise OptionError(f"{what} is written as {', '.join(suffixes[:-1])} or {suffixes[-1]}, not as '{path}'")
    return in_folder(path)
