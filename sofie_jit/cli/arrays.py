"""Reads and writes arrays in files in pieces: .npy, .npz, .csv and .parquet.

A :class:`Source` yields pieces of rows, a :class:`Sink` takes them; one piece is in memory at a time. Tables (.csv,
.parquet) have one row of numbers per row of the batch, in C order.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import math
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from sofie_jit.cli.csv_table import CsvTable, indices_of
from sofie_jit.errors import InputError, MissingDependencyError

SUFFIXES = (".npy", ".npz", ".csv", ".parquet")
STANDARD_OUTPUT = Path("-")
PANDAS_INDEX = re.compile(r"__index_level_\d+__")
"""Names of columns of .parquet files in which pandas stores an index; they are read only if they are selected."""


def array_file(text: str) -> Path:
    """The type of an argument that names a file of arrays to read."""
    path = Path(text)
    if "://" in text:
        raise argparse.ArgumentTypeError(f"'{text}' is a URL: download the file and give its path")
    if path.suffix.lower() not in SUFFIXES:
        raise argparse.ArgumentTypeError(f"'{text}' must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    return path


def array_output(text: str) -> Path:
    """The type of an argument that names a file of arrays to write, or ``-``."""
    return STANDARD_OUTPUT if text == "-" else array_file(text)


# -- reading ---------------------------------------------------------------------------------------------------------


class Source(Protocol):
    """An array in a file."""

    path: Path
    """The file."""
    length: int | None
    """Number of rows; None if only reading the file tells it."""
    row: tuple[int, ...] | None
    """The shape of a row; None if only reading the file tells it."""
    names: Sequence[str] | None
    """The names of the columns of a table; None if there are none."""

    def pieces(self, rows: int) -> Iterator[np.ndarray]:
        """Yields pieces of ``rows`` rows; the last one may be shorter. An empty array is one piece."""


def source_of(path: Path, columns: Sequence[str] | None = None, header: bool | None = None) -> dict[str, Source]:
    """The arrays of a file by name, which is the member's name in an .npz file, otherwise the path.

    ``columns``: the columns of a table to read, in this order. ``header``: see :class:`CsvTable`. Raises
    FileNotFoundError; InputError, also while reading, if the content of the file does not fit its suffix;
    MissingDependencyError for .parquet without pyarrow.
    """
    with _as_input_errors(path):
        suffix = path.suffix.lower()
        if suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                members = [name for name in archive.namelist() if name.endswith(".npy")]
            return {name.removesuffix(".npy"): _Member(path, name) for name in members}
        if suffix == ".npy":
            return {str(path): _Npy(path)}
        table: Any = CsvTable(path, columns, header) if suffix == ".csv" else _Parquet(path, columns)
        return {str(path): table}


def selected(source: Source, columns: Sequence[str]) -> Source:
    """The table that ``source`` reads, with these columns, in this order; raises InputError if it is no table."""
    if not isinstance(source, TABLES):
        raise InputError(f"{source.path} has no named columns: --columns is for .csv and .parquet")
    with _as_input_errors(source.path):
        found: Source = source.selected(columns)
    return found


def is_table(source: Source) -> bool:
    """Whether ``source`` reads a table, whose rows have the numbers of a row of the input in C order."""
    return isinstance(source, TABLES)


def whole(source: Source) -> np.ndarray:
    """The whole array of a source."""
    pieces = list(source.pieces(1 << 20))
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


@contextlib.contextmanager
def _as_input_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} does not contain arrays of numbers: {error}") from None


class _Npy:
    names: Sequence[str] | None = None

    def __init__(self, path: Path):
        self.path = path
        self.array = np.lib.format.open_memmap(path, mode="r")
        self.length = len(self.array) if self.array.ndim else None
        self.row = self.array.shape[1:] if self.array.ndim else None

    def pieces(self, rows: int) -> Iterator[np.ndarray]:
        if not self.length:
            yield np.asarray(self.array)
        for start in range(0, self.length or 0, rows):
            yield np.asarray(self.array[start : start + rows])


class _Member:
    """A member of an .npz file, which is decompressed while it is read."""

    names: Sequence[str] | None = None

    def __init__(self, path: Path, name: str):
        self.path, self.name = path, name
        with zipfile.ZipFile(path) as archive, archive.open(name) as file:
            self.shape, self.fortran_order, self.dtype = _npy_header(file)
        self.length = self.shape[0] if self.shape else None
        self.row = self.shape[1:] if self.shape else None

    def pieces(self, rows: int) -> Iterator[np.ndarray]:
        with _as_input_errors(self.path), zipfile.ZipFile(self.path) as archive, archive.open(self.name) as file:
            if self.fortran_order or not self.length:
                yield np.lib.format.read_array(file, allow_pickle=False)
                return
            _npy_header(file)
            row = int(np.prod(self.shape[1:])) * self.dtype.itemsize
            for start in range(0, self.length, rows):
                count = min(rows, self.length - start)
                data = file.read(count * row)
                if len(data) < count * row:
                    raise EOFError(f"{self.name} ends early")
                yield np.frombuffer(data, self.dtype).reshape(count, *self.shape[1:])


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = reader(file)
    if dtype.hasobject:
        raise ValueError("Python objects are not supported")
    return shape, fortran_order, dtype


class _Parquet:
    def __init__(self, path: Path, columns: Sequence[str] | None):
        self.path = path
        if not path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        self.file = _pyarrow().ParquetFile(path)
        every = [name for name in self.file.schema_arrow.names if not PANDAS_INDEX.fullmatch(name)]
        self.names = list(every if columns is None else columns)
        indices_of(path, self.file.schema_arrow.names, self.names)
        self.length = self.file.metadata.num_rows
        fields = [self.file.schema_arrow.field(name) for name in self.names]
        self.row = None if any(field.type.num_fields for field in fields) else (len(fields),)  # None: columns of lists

    def selected(self, columns: Sequence[str]) -> _Parquet:
        """The same table with these columns."""
        return _Parquet(self.path, columns)

    def pieces(self, rows: int) -> Iterator[np.ndarray]:
        given = False
        with _as_input_errors(self.path):
            for batch in self.file.iter_batches(rows, columns=self.names):
                given = True
                parts = [_flat(batch.column(batch.schema.get_field_index(name)), name) for name in self.names]
                yield np.concatenate(parts, axis=1)
            if not given:
                yield np.empty((0, len(self.names)))


def _flat(column: Any, name: str) -> np.ndarray:
    """A column of numbers, or of lists of numbers, as a matrix; raises ValueError for other elements."""
    values = column.to_numpy(zero_copy_only=False)
    lists = column.type.num_fields and values.dtype == object
    matrix: np.ndarray = np.stack(list(values)) if lists else values[:, None]
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"column '{name}' has elements of type {column.type}")
    return matrix


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingDependencyError("reading and writing .parquet needs pyarrow: pip install pyarrow") from None
    return pyarrow.parquet


TABLES = (CsvTable, _Parquet)
"""The sources of tables."""


# -- writing ---------------------------------------------------------------------------------------------------------


class Sink(Protocol):
    """Takes arrays by name, in pieces along the first axis."""

    def write(self, pieces: Mapping[str, np.ndarray]) -> None:
        """Writes one more piece of every array."""

    def close(self) -> None:
        """Ends the file."""


@contextlib.contextmanager
def sink(path: Path) -> Iterator[Sink]:
    """A Sink that writes ``path``, or prints .csv for ``-``. The file gets its name when it is complete."""
    if path == STANDARD_OUTPUT:
        yield _CsvSink(sys.stdout)
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as directory:
        part = Path(directory) / path.name
        target: Sink = _SINKS[path.suffix.lower()](part)
        yield target
        target.close()
        os.replace(part, path)


class _NpySink:
    HEADER = 256
    """Bytes of the header, which has space for any length."""

    def __init__(self, path: Path):
        self.file = path.open("wb")
        self.file.write(b" " * self.HEADER)
        self.length, self.row, self.dtype = 0, (), np.dtype(np.float32)

    def write(self, pieces: Mapping[str, np.ndarray]) -> None:
        (piece,) = pieces.values()
        self.length += len(piece)
        self.row, self.dtype = piece.shape[1:], piece.dtype
        self.file.write(np.ascontiguousarray(piece).data if piece.size else b"")

    def close(self) -> None:
        described = np.lib.format.dtype_to_descr(self.dtype)
        header = str({"descr": described, "fortran_order": False, "shape": (self.length, *self.row)}).encode()
        size = self.HEADER - 10
        self.file.seek(0)
        self.file.write(b"\x93NUMPY\x01\x00" + size.to_bytes(2, "little") + header.ljust(size - 1) + b"\n")
        self.file.close()


class _NpzSink:
    """Writes each member to a file of its own and packs the files when it is closed."""

    def __init__(self, path: Path):
        self.path = path
        self.members: dict[str, _NpySink] = {}

    def _file(self, number: int) -> Path:
        return self.path.with_name(f"{number}.npy")

    def write(self, pieces: Mapping[str, np.ndarray]) -> None:
        for name, piece in pieces.items():
            if name not in self.members:
                self.members[name] = _NpySink(self._file(len(self.members)))
            self.members[name].write({name: piece})

    def close(self) -> None:
        with zipfile.ZipFile(self.path, "w") as archive:
            for number, (name, member) in enumerate(self.members.items()):
                member.close()
                archive.write(self._file(number), f"{name}.npy")


def _columns(pieces: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The columns of a table: ``y`` for an array with one number per row, otherwise ``y_0``, ``y_1``, ..."""
    found: dict[str, np.ndarray] = {}
    for name, piece in pieces.items():
        flat = piece.reshape(len(piece), math.prod(piece.shape[1:]))
        one = flat.shape[1] == 1
        found |= {name if one else f"{name}_{i}": flat[:, i] for i in range(flat.shape[1])}
    return found


class _CsvSink:
    def __init__(self, target: Path | IO[str]):
        self.file = target.open("w") if isinstance(target, Path) else target
        self.started = False

    def write(self, pieces: Mapping[str, np.ndarray]) -> None:
        columns = _columns(pieces)
        if not self.started:
            print(",".join(columns), file=self.file)
            self.started = True
        formats = [_FORMATS.get(column.dtype.name, "%d") for column in columns.values()]
        np.savetxt(self.file, np.rec.fromarrays(list(columns.values())), fmt=formats, delimiter=",")

    def close(self) -> None:
        self.file.close()


_FORMATS = {"float32": "%.9g", "float64": "%.17g"}
"""Enough digits to read back the same number."""


class _ParquetSink:
    def __init__(self, path: Path):
        self.path = path
        self.parquet = _pyarrow()
        self.writer: Any = None

    def write(self, pieces: Mapping[str, np.ndarray]) -> None:
        import pyarrow

        table = pyarrow.table({name: np.ascontiguousarray(column) for name, column in _columns(pieces).items()})
        if self.writer is None:
            self.writer = self.parquet.ParquetWriter(self.path, table.schema)
        self.writer.write_table(table)

    def close(self) -> None:
        self.writer.close()


_SINKS: dict[str, Any] = {".npy": _NpySink, ".npz": _NpzSink, ".csv": _CsvSink, ".parquet": _ParquetSink}
