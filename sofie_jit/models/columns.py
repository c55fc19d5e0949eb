"""Tables as inputs: which of their columns make up a row of an input, and in which order.

A table is a data frame, a dict of arrays (as uproot returns them), an awkward array of records, a structured numpy
array, or ROOT's RDataFrame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import InputError, ShapeError, counted

Columns = Sequence[str] | Mapping[str, Sequence[str]]
"""Names of columns, in the order of the input's last axis; for several inputs a dict by input name."""

ByInput = Mapping[str, Sequence[str]]


def by_input(columns: Columns, shapes: Mapping[str, Sequence[int | None]]) -> dict[str, list[str]]:
    """The names of columns for each input.

    ``shapes``: those of the inputs by name. Raises InputError for wrong names of inputs and for a text in place of a
    list, ShapeError for a wrong number of columns.

    >>> by_input(["pt", "eta"], {"x": (None, 2)})
    {'x': ['pt', 'eta']}
    """
    given = columns if isinstance(columns, Mapping) else dict.fromkeys(list(shapes)[:1], columns)
    if set(given) != set(shapes):
        raise InputError(f"the model's inputs are named {list(shapes)}; columns= names columns of {list(given)}")
    for name, shape in shapes.items():
        if isinstance(given[name], str) or not isinstance(given[name], Iterable):
            raise InputError(f"columns= is a list of names, got {given[name]!r}")
        if twice := [column for column, count in Counter(given[name]).items() if count > 1]:
            raise InputError(f"columns= names {', '.join(map(str, twice))} more than once")
        if len(shape) == 2 and shape[1] not in (None, len(given[name])):
            named = ", ".join(map(str, given[name]))
            raise ShapeError(f"a row of input '{name}' has {counted(shape[1] or 0, 'column')}; columns= names {named}")
    return {name: list(given[name]) for name in shapes}


def chosen(table: Any, columns: ByInput) -> dict[str, np.ndarray]:
    """The named columns of a table as one array (rows, columns) per input.

    Raises InputError if there is no such column, ShapeError if the columns do not have one number for each row.
    """
    if hasattr(table, "AsNumpy"):  # RDataFrame reads all columns in one pass over the data
        names = list(dict.fromkeys(name for names in columns.values() for name in names))
        _require(names, [str(name) for name in table.GetColumnNames()])
        table = table.AsNumpy(names)
    return {name: _stacked(table, names) for name, names in columns.items()}


def matched(x: Any, columns: ByInput) -> Any:
    """The argument of ``infer`` with its tables replaced by arrays of the columns that the model was given before.

    ``x``: one table with the columns of all inputs, or a list or dict with one array or table per input. A table must
    have exactly these columns, in any order.

    Raises InputError for a missing or unknown name, ShapeError as :func:`chosen`.
    """
    if isinstance(x, Mapping) and set(x) == set(columns):
        return {name: _matched(part, {name: columns[name]}) for name, part in x.items()}
    if isinstance(x, (list, tuple)) and len(x) == len(columns):
        parts = zip(x, columns.items(), strict=True)
        return [_matched(part, {name: names}) for part, (name, names) in parts]
    found = _matched(x, columns)
    return found if len(columns) == 1 or found is x else chosen(x, columns)


def _matched(part: Any, columns: ByInput) -> Any:
    """A table as the array of the first of ``columns``; everything else as it is."""
    if not is_table(part):
        return part
    wanted = {name for names in columns.values() for name in names}
    if unknown := [name for name in column_names(part) if name not in wanted]:
        raise InputError(
            f"the model does not know the column {', '.join(map(str, unknown))}; its columns are: "
            f"{', '.join(dict.fromkeys(name for names in columns.values() for name in names))} (predict(..., "
            "columns=[...]) selects from a table with more)"
        )
    return next(iter(chosen(part, columns).values()))


def is_frame(x: Any) -> bool:
    """Whether ``x`` is a data frame, whose columns have an order."""
    return hasattr(x, "columns") and hasattr(x, "shape")


def is_table(x: Any) -> bool:
    """Whether ``x`` has named columns."""
    return is_frame(x) or isinstance(x, Mapping) or hasattr(x, "AsNumpy") or _fields(x) is not None


def column_names(table: Any) -> list[Any]:
    """The names of the columns of a table."""
    if hasattr(table, "AsNumpy"):
        return [str(name) for name in table.GetColumnNames()]
    fields = _fields(table)
    return list(table.columns if fields is None and hasattr(table, "columns") else fields or table)


def _fields(x: Any) -> Sequence[str] | None:
    """The names of the fields of a structured or awkward array."""
    return getattr(getattr(x, "dtype", None), "names", None) or getattr(x, "fields", None) or None


def _require(names: Sequence[str], known: Sequence[Any]) -> None:
    if missing := [name for name in names if name not in known]:
        raise InputError(f"there is no column {', '.join(missing)}; there are: {', '.join(map(str, known))}")


def _stacked(table: Any, names: Sequence[str]) -> np.ndarray:
    _require(names, column_names(table))
    arrays = []
    for name in names:
        try:
            array = np.asarray(table[name])
        except ValueError as error:
            raise ShapeError(f"column '{name}' does not have one number per row: {error}") from None
        if array.ndim != 1:
            raise ShapeError(f"column '{name}' has shape {array.shape}; one number per row is needed")
        arrays.append(array)
    if len({len(array) for array in arrays}) > 1:
        lengths = ", ".join(f"'{name}' has {len(array)}" for name, array in zip(names, arrays, strict=True))
        raise ShapeError(f"the columns have different lengths: {lengths}")
    return np.stack(arrays, axis=1)
