"""Arguments that name files of input arrays: matched to the inputs of a model by position or as NAME=FILE."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sofie_jit.cli.arrays import Source, array_file, is_table, selected, source_of, whole
from sofie_jit.errors import InputError, counted
from sofie_jit.models.arguments import OpenShape, fitting_order, open_shape, same_sizes

if TYPE_CHECKING:
    from sofie_jit.frontends.base import Translation
    from sofie_jit.models.model import Model

Shapes = Mapping[str, OpenShape | None]
"""The inputs of a model with their shapes, which are None if they are not known."""

HELP = "arrays, one file per input in order, or NAME=FILE; an .npz file may have all inputs by name"
RANDOM = "; random numbers by default"


class InputFile(NamedTuple):
    """A file of arrays, and the input that it is for; '' if its position decides."""

    name: str
    path: Path
    header: bool | None = None
    """Whether the first line of a .csv file is a header; None: its cells decide."""


def input_file(text: str) -> InputFile:
    """The type of an argument ``FILE`` or ``NAME=FILE``.

    >>> input_file("jets=a.npy")
    InputFile(name='jets', path=PosixPath('a.npy'), header=None)
    """
    name, equals, path = text.partition("=")
    if equals and not Path(text).exists():
        return InputFile(name, array_file(path))
    return InputFile("", array_file(text))


Opened = list[tuple[str, dict[str, Source]]]
"""For each file the name of the input that it is for, and its arrays by their names in the file."""


def add_input_arguments(parser: argparse.ArgumentParser, default: str = RANDOM) -> None:
    """Adds INPUT and ``--input``, which mean the same, ``--columns`` and ``--header``; :func:`files_of` reads them.

    ``default``: the end of the help, about a command line without inputs.
    """
    parser.add_argument("inputs", metavar="INPUT", nargs="*", type=input_file, help=f"{HELP}{default}")
    parser.add_argument(
        "--input", metavar="INPUT", nargs="+", type=input_file, help="the same, as an option after other arguments"
    )
    parser.add_argument(
        "--columns",
        metavar="NAME,...",
        action="append",
        help="the columns of a .csv or .parquet file that make up a row, in this order; for a model of several inputs "
        "INPUT=NAME,..., once per table",
    )
    parser.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether the first line of .csv files names the columns (default: if it has words and no number, or is "
        "0,1,2,... as pandas writes it)",
    )


def files_of(args: argparse.Namespace, instead: str = "") -> list[InputFile]:
    """The files of inputs that are given, with ``--header``.

    ``instead``: the option of the command that asks for random numbers; it excludes files. Ends the program with a
    message if inputs are given twice, or with that option.
    """
    if args.inputs and args.input:
        args.parser.error("give the inputs once: INPUT or --input INPUT")
    files = args.inputs or args.input or []
    if files and instead and getattr(args, instead.removeprefix("--")) is not None:
        args.parser.error(f"{instead} is for random numbers: not allowed with inputs")
    return [file._replace(header=args.header) for file in files]


def opened(files: Sequence[InputFile]) -> Opened:
    """Opens files; raises the errors of :func:`source_of`."""
    return [(name, source_of(path, header=header)) for name, path, header in files]


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
    _check_rows(shapes, found, chosen)
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
        found[name] = [column.strip() for column in listed.split(",")]
    return found


def _check_rows(shapes: Shapes, found: Mapping[str, Source], chosen: Mapping[str, Sequence[str]]) -> None:
    """Raises InputError if arrays fit in another order only, or the rows of an array cannot be those of its input."""
    expected = {name: shape for name, shape in shapes.items() if shape}
    sources = [found[name] for name in expected if found[name].row is not None]
    if len(sources) < len(shapes) or all(_fits(found[name], shape) for name, shape in expected.items()):
        return
    if (order := fitting_order(sources, list(expected.values()), _fits)) is not None:
        listed = " ".join(f"{name}={sources[index].path}" for name, index in zip(shapes, order, strict=True))
        raise InputError(f"the arrays do not fit the inputs in this order; they fit as {listed}")
    for name, shape in expected.items():
        if _fits(found[name], shape):
            continue
        if name in chosen and (reason := _misfit(name, shape, found[name], only=len(shapes) == 1)):
            known = math.prod(size or 1 for size in shape[1:])
            wanted = "a multiple of " if None in shape[1:] else ""
            raise InputError(
                f"--columns names {counted(len(chosen[name]), 'column')}; a row of input '{name}' has {wanted}"
                f"{counted(known, 'number')}"
            )
        if reason := _misfit(name, shape, found[name], only=len(shapes) == 1):
            raise InputError(reason)


def _misfit(name: str, shape: OpenShape, source: Source, only: bool) -> str:
    """Why rows of numbers do not fit an input, and what to do; '' for arrays of more dimensions.

    ``only``: whether it is the only input of the model.
    """
    row = shape[1:]
    if source.row is None or len(source.row) != 1:
        return ""
    (width,), known, count = source.row, math.prod(size or 1 for size in row), row.count(None)
    prefix = "" if only else f"{name}="
    sizes = ",".join("SIZE" if size is None else str(size) for size in row)
    wanted = f"a row of input '{name}' has " + (
        f"the shape {row}, which is a multiple of {counted(known, 'number')}" if count else counted(known, "number")
    )
    if count > 1:
        return (
            f"a row of {source.path} has {counted(width, 'number')}; a row of input '{name}' has the shape {row} with "
            f"{count} open sizes: give them with --input-shape {prefix}{sizes}"
        )
    if is_table(source) and count and width == known:
        filled = ",".join("1" if size is None else str(size) for size in row)
        return (
            f"{source.path} has {counted(width, 'column')}, but a row of a table is a row of the batch, and {wanted}: "
            f"give --input-shape {prefix}{filled} if each has a single element, or an .npy file"
        )
    if is_table(source):
        names = source.names or ()
        listed = f" ({', '.join(names[:12])}{', ...' if len(names) > 12 else ''})" if len(names) == width else ""
        return (
            f"{source.path} has {counted(width, 'column')}{listed}; {wanted}: select columns with --columns "
            f"{prefix}NAME,..."
        )
    if count and width and width % known == 0:
        filled = ",".join(str(width // known if size is None else size) for size in row)
        return f"a row of {source.path} has {counted(width, 'number')}; {wanted}: give --input-shape {prefix}{filled}"
    return ""


def _row(width: int, shape: OpenShape, table: bool) -> tuple[int, ...] | None:
    """The shape of a row of an input that ``width`` numbers fill in C order; None if they do not.

    One open size follows from the others for a table, whose rows are always those of the batch; but 8 columns do not
    fill (time, 8), because the rows are probably the time steps. An array of the shape (20, 8) could also be a single
    row of (20, 8), without its batch.

    >>> _row(160, (None, None, 8), table=True)
    (20, 8)
    """
    row = shape[1:]
    known = math.prod(1 if size is None else size for size in row)
    if None not in row:
        return tuple(size or 0 for size in row) if width == known else None
    if not table or row.count(None) > 1 or not known or not width or width % known or 1 < known == width:
        return None
    return tuple(width // known if size is None else size for size in row)


def _fits(source: Source, expected: OpenShape) -> bool:
    """Whether rows in a file fit an input; rows of numbers are reshaped to those of the input."""
    found = source.row or ()
    flat = len(found) == 1 and _row(found[0], expected, is_table(source)) is not None
    return flat or same_sizes((0, *found), (None, *expected[1:]))


def shaped(array: np.ndarray, shape: OpenShape | None, source: Source) -> np.ndarray:
    """Rows of numbers that ``source`` has read, reshaped to the shape of an input; other arrays as they are."""
    row = _row(array.shape[1], shape, is_table(source)) if array.ndim == 2 and shape else None
    return array if row is None else array.reshape(len(array), *row)


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


def shapes_to_read(translation: Translation, files: Sequence[InputFile]) -> Shapes:
    """As :func:`shapes_of`, for a model before its compilation."""
    if not translation.shapes_known:
        return dict.fromkeys(translation.names_of_inputs(_count(files)))
    return {name: open_shape(kind.shape) for name, kind in translation.inputs.items()}


def _count(files: Sequence[InputFile]) -> int:
    return sum(len(found) for _, found in opened(files))


def shapes_of(model: Model, files: Sequence[InputFile]) -> Shapes:
    """The inputs of a model with their shapes, which are None in a TorchScript file: it has as many as the files."""
    from sofie_jit.models.first_call_model import FirstCallModel

    if isinstance(model, FirstCallModel):
        return dict.fromkeys(model.names_of_inputs(_count(files)))
    return dict(zip(model.input_names, model.input_shapes, strict=True))


def read(shapes: Shapes, files: Sequence[InputFile], columns: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The whole array for each input of the model; the arguments are those of :func:`matched`."""
    found = matched(shapes, opened(files), columns)
    return {name: shaped(whole(source), shapes[name], source) for name, source in found.items()}
