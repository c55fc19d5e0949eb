"""Reads .csv files: comma-separated numbers, with or without a header.

A header is a first line that has words and no number, or pandas' names of unnamed columns, 0,1,2,... Lines before it
that begin with ``#`` are comments; the last one is the header, as ``numpy.savetxt`` writes it, if it has as many cells
as the first row. A first column without a name is an index, as pandas writes it, and is not read. An empty cell and the
spellings in :data:`MISSING` are NaN.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sofie_jit.errors import InputError, counted

MISSING = ("", "nan", "NaN", "-nan", "-NaN", "NA", "N/A", "n/a", "#N/A", "<NA>", "null", "NULL", "None")
"""Spellings of a missing number."""

COMMENT = "#"
"""Begins lines of comments before the header."""

SEPARATORS = {";": "semicolons", "\t": "tabs", " ": "blanks"}
"""Characters that take the place of commas in other tables of numbers."""

ENCODING = "utf-8-sig"
"""UTF-8, with or without the byte order mark that Excel writes."""


class CsvTable:
    """The numbers in a .csv file.

    ``columns``: the columns to read, in this order. ``header``: whether the first line has the names of the columns;
    None: its cells decide.

    Raises InputError, also while reading, if the file is not such a table.
    """

    length = None

    def __init__(self, path: Path, columns: Sequence[str] | None = None, header: bool | None = None):
        self.path, self.header = path, header
        self.head = head = _head(path, header)
        if columns is not None and head.names is None:
            raise InputError(f"--columns: the first line of {path} does not name the columns (--header if it does)")
        has_index = head.names is not None and len(head.names) > 1 and not head.names[0]
        self.indices = list(range(has_index, head.width))
        self.names = head.names[has_index:] if head.names else head.names
        if columns is not None:
            self.indices, self.names = indices_of(path, head.names or [], columns), head.names
        self.row = (len(self.indices),)

    def selected(self, columns: Sequence[str]) -> CsvTable:
        """The same table with these columns."""
        return CsvTable(self.path, columns, self.header)

    def pieces(self, rows: int) -> Iterator[np.ndarray]:
        """Yields pieces of ``rows`` rows; the last one may be shorter. An empty array is one piece."""
        arrow = _arrow_csv()
        try:
            yield from self._by_numpy(rows) if arrow is None else self._by_arrow(arrow, rows)
        except ValueError as error:
            self._refuse_cells()
            raise InputError(f"{self.path} does not contain arrays of numbers: {error}") from None

    def _by_numpy(self, rows: int) -> Iterator[np.ndarray]:
        # None: loadtxt reads all columns, and then also refuses longer rows
        chosen = None if self.indices == list(range(self.head.width)) else self.indices
        given = False
        with self.path.open(encoding=ENCODING) as file:
            for _ in range(self.head.lines):
                file.readline()
            while True:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "loadtxt", UserWarning)  # loadtxt warns at the end of the file
                    piece = np.loadtxt(
                        file, delimiter=",", usecols=chosen, ndmin=2, max_rows=rows, comments=None,
                        quotechar='"', converters=_number, encoding=None,
                    )  # fmt: skip
                if not len(piece):
                    if not given:
                        yield np.empty((0, *self.row))
                    return
                if piece.shape[1] != self.row[0]:
                    raise ValueError("the first line has another number of cells")
                given = True
                yield piece

    def _by_arrow(self, arrow: Any, rows: int) -> Iterator[np.ndarray]:
        """The same by pyarrow, which takes a fraction of the time."""
        names = [str(i) for i in range(self.head.width)]
        chosen = [names[i] for i in self.indices]
        types = dict.fromkeys(names, "float64")
        options = {
            "read_options": arrow.ReadOptions(column_names=names, skip_rows=self.head.lines),
            "convert_options": arrow.ConvertOptions(
                column_types=types, include_columns=list(dict.fromkeys(chosen)), null_values=list(MISSING)
            ),
        }
        try:
            batches = arrow.open_csv(self.path, **options)
        except ValueError as error:
            if "Empty CSV" not in str(error):
                raise
            batches = ()
        matrices = (
            np.stack([batch.column(name).to_numpy(zero_copy_only=False) for name in chosen], axis=1)
            for batch in batches
        )
        yield from _pieces_of(matrices, rows, len(chosen))

    def _refuse_cells(self) -> None:
        """Raises InputError that names the first cell that is not a number, or the first line of another width."""
        head = self.head
        with self.path.open(encoding=ENCODING, newline="") as file:
            for number, line in enumerate(file, 1):
                cells = _cells(line)
                if not line.strip() or number <= head.lines:
                    continue
                if len(cells) != head.width:
                    raise InputError(
                        f"{self.path} does not contain arrays of numbers: line {number} has "
                        f"{counted(len(cells), 'cell')}, the first {head.width}"
                    )
                for index in self.indices:
                    if not (_is_number(cells[index]) or cells[index] in MISSING):
                        name = f"'{head.names[index]}'" if head.names else str(index)
                        raise InputError(
                            f"{self.path} does not contain arrays of numbers: column {name} has '{cells[index][:40]}' "
                            f"in line {number}"
                        )


class _Head(NamedTuple):
    """The beginning of a file."""

    lines: int
    """The number of lines before the first row."""
    width: int
    """The number of cells in a row."""
    names: list[str] | None
    """The names of all columns; None if there are none."""


def _head(path: Path, header: bool | None) -> _Head:
    """The beginning of a file, with ``header`` of :class:`CsvTable`."""
    comment: list[str] = []
    lines, first, second = 0, "", ""
    with path.open(encoding=ENCODING, newline="") as file:
        for first in file:
            if first.strip() and not first.startswith(COMMENT):
                second = file.readline()
                break
            comment = _cells(first.lstrip(COMMENT).lstrip()) if first.strip() else comment
            lines, first = lines + 1, ""
    row = _cells(first)
    if not (row or comment):
        raise InputError(f"{path} is empty: expected rows of numbers, separated by commas")
    if header is not False and (not row or (len(comment) == len(row) and not _words(row))):
        return _Head(lines, len(comment), comment)
    if _is_header(path, row, _cells(second)) if header is None else header:
        return _Head(lines + 1, len(row), row)
    return _Head(lines, len(row), None)


def _words(cells: Sequence[str]) -> list[str]:
    """The cells that are not numbers, nor missing."""
    return [cell for cell in cells if cell not in MISSING and not _is_number(cell)]


def _cells(line: str) -> list[str]:
    """The cells of a line, without blanks around them; none for an empty line."""
    line = line.strip("\r\n")
    return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True))] if line else []


def _is_header(path: Path, first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether the first of two lines names the columns; raises InputError if they do not tell.

    >>> _is_header(Path("x.csv"), ["pt", "eta"], ["1", "2"]), _is_header(Path("x.csv"), ["1", ""], ["1", "2"])
    (True, False)
    """
    words = _words(first)
    numbers = [cell for cell in first if _is_number(cell) and cell not in MISSING]
    for mark, name in SEPARATORS.items():
        if any(mark in cell for cell in words) and any(mark in cell for cell in second or first):
            raise InputError(f"cells of {path} must be separated by commas, not by {name}: '{','.join(first)[:40]}'")
    if words and numbers:
        raise InputError(
            f"the first line of {path} has words ('{words[0][:40]}') and numbers ({numbers[0][:40]}): give --header if "
            "it names the columns; otherwise replace the words by numbers"
        )
    counting = first[1:] if first and not first[0] else first  # pandas' index has no name
    if counting and list(counting) == [str(i) for i in range(len(counting))]:
        if not second or all(cell.lstrip("-").isdecimal() for cell in second):
            raise InputError(
                f"the first line of {path}, {','.join(first)[:40]}, may name the columns or be a row: give --header or "
                "--no-header"
            )
        return True
    return bool(words)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(cell: str) -> float:
    """The number in a cell; NaN if it is missing."""
    cell = cell.strip()
    return float("nan") if cell in MISSING else float(cell)


def _pieces_of(matrices: Iterable[np.ndarray], rows: int, width: int) -> Iterator[np.ndarray]:
    """Matrices of any numbers of rows as pieces of ``rows`` rows; one empty piece if there are no rows."""
    kept: list[np.ndarray] = []
    count, given = 0, False
    for matrix in matrices:
        kept.append(matrix)
        count += len(matrix)
        if count >= rows:
            joined, full = np.concatenate(kept), count - count % rows
            yield from (joined[start : start + rows] for start in range(0, full, rows))
            kept, count, given = [joined[full:]], count - full, True
    if count or not given:
        yield np.concatenate([np.empty((0, width)), *kept])


def indices_of(path: Path, names: Sequence[str], columns: Sequence[str]) -> list[int]:
    """The indices of ``columns`` among the ``names`` of a table; raises InputError for a name that is missing."""
    if missing := [name for name in columns if name not in names]:
        there = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        raise InputError(f"{path} has no column {', '.join(missing)}; its columns are: {there}")
    return [list(names).index(name) for name in columns]


def _arrow_csv() -> Any:
    """The reader of pyarrow; None if it is not installed."""
    try:
        import pyarrow.csv
    except ImportError:
        return None
    return pyarrow.csv
