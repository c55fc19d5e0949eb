"""Arguments that name files of input arrays: matched to the inputs of a model by position or as NAME=FILE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sofie_jit.cli.arrays import Source, array_file, source_of, whole
from sofie_jit.errors import InputError, counted

HELP = "arrays, one file per input in order, or NAME=FILE; an .npz file may have all inputs by name"


class InputFile(NamedTuple):
    """A file of arrays, and the input that it is for; '' if its position decides."""

    name: str
    path: Path


def input_file(text: str) -> InputFile:
    """The type of an argument ``FILE`` or ``NAME=FILE``.

    >>> input_file("jets=a.npy")
    InputFile(name='jets', path=PosixPath('a.npy'))
    """
    name, equals, path = text.partition("=")
    if equals and not Path(text).exists():
        return InputFile(name, array_file(path))
    return InputFile("", array_file(text))


Opened = list[tuple[str, dict[str, Source]]]
"""For each file the name of the input that it is for, and its arrays by their names in the file."""


def opened(files: Sequence[InputFile], columns: Sequence[str] | None = None) -> Opened:
    """Opens files; raises the errors of :func:`source_of`.

    ``columns``: the columns of tables to read, in this order.
    """
    return [(name, source_of(path, columns)) for name, path in files]


def matched(names: Sequence[str], files: Opened) -> dict[str, Source]:
    """The array for each input of the model.

    ``names``: the inputs of the model. Raises InputError if the names or the number of arrays do not fit.
    """
    if any(name for name, _ in files):
        return _by_name(names, files)
    arrays = [array for _, found in files for array in found.items()]
    if len(files) == 1 and {name for name, _ in arrays} == set(names):
        return {name: dict(arrays)[name] for name in names}
    if len(arrays) != len(names):
        wanted, got = counted(len(names), "input"), counted(len(arrays), "array")
        raise InputError(f"the model has {wanted} ({', '.join(names)}); got {got}")
    if len(files) == 1 and len(names) > 1:
        listed = ", ".join(name for name, _ in arrays)
        raise InputError(f"the model's inputs are named {', '.join(names)}; the file contains {listed}")
    return dict(zip(names, (source for _, source in arrays), strict=True))


def _by_name(names: Sequence[str], files: Opened) -> dict[str, Source]:
    given = [name for name, _ in files]
    if sorted(given) != sorted(names):
        listed = ", ".join(name or "a file without a name" for name in given)
        raise InputError(
            f"the model's inputs are named {', '.join(names)}; got {listed} (give NAME=FILE for each input, or "
            "all files without names in this order)"
        )
    for name, found in files:
        if name not in found and len(found) != 1:
            raise InputError(f"the file for input '{name}' contains {counted(len(found), 'array')}: {', '.join(found)}")
    arrays = {name: found[name] if name in found else next(iter(found.values())) for name, found in files}
    return {name: arrays[name] for name in names}


def read(names: Sequence[str], files: Sequence[InputFile]) -> dict[str, np.ndarray]:
    """The whole array for each input of the model."""
    return {name: whole(source) for name, source in matched(names, opened(files)).items()}
