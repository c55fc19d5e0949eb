"""Arguments that name files of input arrays: matched to the inputs of a model by position or as NAME=FILE."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sofie_jit.cli.arrays import Source, array_file, selected, source_of, whole
from sofie_jit.errors import InputError, counted
from sofie_jit.models.arguments import OpenShape, fitting_order, same_sizes

Shapes = Mapping[str, OpenShape | None]
"""The inputs of a model with their shapes, which are None if they are not known."""

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


def add_columns_argument(parser: argparse.ArgumentParser) -> None:
    """Adds ``--columns``."""
    parser.add_argument(
        "--columns",
        metavar="NAME,...",
        action="append",
        help="the columns of a .csv or .parquet file that make up a row, in this order; for a model of several inputs "
        "INPUT=NAME,..., once per table",
    )


def opened(files: Sequence[InputFile]) -> Opened:
    """Opens files; raises the errors of :func:`source_of`."""
    return [(name, source_of(path)) for name, path in files]


def matched(shapes: Shapes, files: Opened, columns: Sequence[str] | None = None) -> dict[str, Source]:
    """The array for each input of the model.

    ``shapes``: the inputs of the model with their shapes. ``columns``: values of ``--columns``. Raises InputError if
    the names, the number or the sizes of arrays do not fit.
    """
    chosen = _columns_of(list(shapes), columns or ())
    only = list(files[0][1].values()) if len(files) == 1 else []
    if len(only) == 1 and len(shapes) > 1 and set(chosen) == set(shapes):  # one table with the columns of all inputs
        sources = dict.fromkeys(shapes, only[0])
    elif any(name for name, _ in files):
        sources = _by_name(list(shapes), files)
    else:
        sources = _by_position(list(shapes), files)
    found = {name: selected(array, chosen[name]) if name in chosen else array for name, array in sources.items()}
    _check_rows(shapes, found)
    return found


def _columns_of(names: Sequence[str], columns: Sequence[str]) -> dict[str, list[str]]:
    """The columns by input of ``--columns``."""
    found: dict[str, list[str]] = {}
    for text in columns:
        name, equals, listed = text.partition("=")
        if not (equals and name in names):
            if len(names) > 1:
                raise InputError(
                    f"--columns {text}: the model's inputs are named {', '.join(names)}; give INPUT=NAME,..."
                )
            name, listed = names[0], text
        if name in found:
            raise InputError(f"--columns names columns of input '{name}' more than once")
        found[name] = listed.split(",")
    return found


def _check_rows(shapes: Shapes, found: Mapping[str, Source]) -> None:
    """Raises InputError if arrays fit in another order only, or a table has too many columns."""
    expected = {name: shape for name, shape in shapes.items() if shape}
    rows = {name: (0, *row) for name in expected if (row := found[name].row) is not None}
    if len(rows) < len(shapes) or all(_fits(rows[name], shape) for name, shape in expected.items()):
        return
    if (order := fitting_order(list(rows.values()), list(expected.values()), _fits)) is not None:
        paths = [found[name].path for name in shapes]
        listed = " ".join(f"{name}={paths[index]}" for name, index in zip(shapes, order, strict=True))
        raise InputError(f"the arrays do not fit the inputs in this order; they fit as {listed}")
    for name, shape in expected.items():
        size, names = math.prod(size or 1 for size in shape[1:]), found[name].names
        if names is not None and None not in shape[1:] and len(names) > size:
            option = "NAME,..." if len(shapes) == 1 else f"{name}=NAME,..."
            listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            raise InputError(
                f"{found[name].path} has {counted(len(names), 'column')} ({listed}); a row of input '{name}' has "
                f"{counted(size, 'number')}: select columns with --columns {option}"
            )


def _fits(found: tuple[int, ...], expected: OpenShape) -> bool:
    """Whether rows in a file fit an input; rows of numbers are reshaped to those of the input."""
    row = expected[1:]
    flat = len(found) == 2 and None not in row and found[1] == math.prod(size or 0 for size in row)
    return flat or same_sizes(found, (None, *row))


def shaped(array: np.ndarray, shape: OpenShape | None) -> np.ndarray:
    """Rows of numbers, as tables have them, reshaped to the shape of an input; other arrays as they are."""
    row = (shape or ())[1:]
    flat = array.ndim == 2 and shape and None not in row and array.shape[1] == math.prod(size or 0 for size in row)
    return array.reshape(len(array), *(size or 0 for size in row)) if flat else array


def _by_position(names: Sequence[str], files: Opened) -> dict[str, Source]:
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


def read(shapes: Shapes, files: Sequence[InputFile], columns: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The whole array for each input of the model; the arguments are those of :func:`matched`."""
    found = matched(shapes, opened(files), columns)
    return {name: shaped(whole(source), shapes[name]) for name, source in found.items()}
