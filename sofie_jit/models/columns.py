"""Tables as inputs: which of their columns make up a row of an input, and in which order.

A table is a data frame, a dict of arrays (as uproot returns them), an awkward array of records, a structured numpy
array, or ROOT's RDataFrame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import DtypeError, InputError, ShapeError, counted, one_line

Columns = Sequence[str] | Mapping[str, Sequence[str]]
"""Names of columns, in the order of the input's last axis; for several inputs a dict by input name."""

ByInput = Mapping[str, Sequence[str]]
"""Names of columns for some or all inputs, by input name."""


def by_input(columns: Columns, shapes: Mapping[str, Sequence[int | None]]) -> dict[str, list[str]]:
    """The names of columns by input, for the inputs that have any.

    ``shapes``: those of all inputs by name. Raises InputError for wrong names of inputs and for a text in place of a
    list, ShapeError for a wrong number of columns.

    >>> by_input(["pt", "eta"], {"x": (None, 2)})
    {'x': ['pt', 'eta']}
    >>> by_input({"jets": ["pt", "eta"]}, {"jets": (None, 2), "image": (None, 8, 8)})
    {'jets': ['pt', 'eta']}
    """
    if not isinstance(columns, Mapping) and len(shapes) > 1:
        raise InputError(
            f"the model's inputs are named {list(shapes)}; columns= must be a dict by input name, such as "
            f"{{'{next(iter(shapes))}': {columns!r}}}, got {columns!r}"
        )
    given = columns if isinstance(columns, Mapping) else dict.fromkeys(shapes, columns)
    if not given or not set(given).issubset(shapes):
        raise InputError(f"the model's inputs are named {list(shapes)}; columns= names columns of {list(given)}")
    for name, names in given.items():
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise InputError(f"columns= is a list of names, got {names!r}")
        if twice := [column for column, count in Counter(names).items() if count > 1]:
            raise InputError(f"columns= names {', '.join(map(str, twice))} more than once")
        row = [size for size in shapes[name][1:] if size != 1] or [1]
        known = len(shapes[name]) > 0  # not those of TorchScript before the first call
        if known and (len(row) > 1 or row[0] not in (None, len(names))):
            wanted = f"the shape {tuple(row)}" if len(row) > 1 else counted(row[0] or 0, "column")
            named = ", ".join(map(str, names))
            raise ShapeError(f"a row of input '{name}' has {wanted}; columns= names {named}")
    return {name: list(given[name]) for name in shapes if name in given}


def arranged(x: Any, columns: ByInput, inputs: Sequence[str], *, exact: bool) -> Any:
    """The argument of ``infer`` with its tables replaced by arrays of the named columns.

    ``x``: one table with the columns of all inputs, or a list or dict with one array or table per input. Tables of
    inputs without names of columns stay as they are.
    ``inputs``: the names of all inputs, in order.
    ``exact``: whether a table must have exactly these columns, in any order, and arrays may take the place of tables.

    Raises InputError for a missing or unknown column, and ShapeError if columns do not have one number for each row.
    """
    several = len(inputs) > 1
    if isinstance(x, Mapping) and _has_inputs(x, columns, inputs):
        return {name: _part(part, name, columns, exact, several) for name, part in x.items()}
    if isinstance(x, (list, tuple)) and len(x) == len(inputs):
        return [_part(part, name, columns, exact, several) for name, part in zip(inputs, x, strict=True)]
    if not _accepted(x, columns, exact, columns, several):
        return x
    if unnamed := [name for name in inputs if name not in columns]:
        raise InputError(
            f"the columns of {', '.join(unnamed)} are not named: name those of all inputs to take them from one table, "
            f"or give a table or an array for each input, {{'{unnamed[0]}': ..., ...}}"
        )
    return _chosen(x, columns, several)


def _chosen(table: Any, columns: ByInput, several: bool) -> dict[str, np.ndarray]:
    """The named columns of a table as one array (rows, columns) per input; ``several``: whether messages name it."""
    known = column_names(table)
    for name, names in columns.items():
        if missing := [column for column in names if column not in known]:
            raise InputError(
                f"{_of(name, several)}there is no column {', '.join(map(str, missing))}; there are: "
                f"{', '.join(map(str, known))}"
            )
    if hasattr(table, "AsNumpy"):  # RDataFrame reads all columns in one pass over the data
        table = table.AsNumpy(list(dict.fromkeys(name for names in columns.values() for name in names)))
    return {name: _stacked(table, names, _of(name, several)) for name, names in columns.items()}


def _of(name: str, several: bool) -> str:
    """The beginning of a message about an input, if the model has several."""
    return f"input '{name}': " if several else ""


def _has_inputs(x: Mapping[Any, Any], columns: ByInput, inputs: Sequence[str]) -> bool:
    """Whether a dict has the inputs by name, rather than columns, which may have the same names."""
    if set(x) != set(inputs):
        return False
    named_alike = {column for names in columns.values() for column in names}.issubset(x)
    return not named_alike or any(is_table(part) or np.ndim(part) != 1 for part in x.values())


def _part(part: Any, name: str, columns: ByInput, exact: bool, several: bool) -> Any:
    """One input of ``infer``: a table as an array of its columns; everything else as it is."""
    if name not in columns:
        refuse_unnamed(part, name)
        return part
    own = {name: columns[name]}
    return _chosen(part, own, several)[name] if _accepted(part, own, exact, columns, several) else part


def _accepted(part: Any, wanted: ByInput, exact: bool, known: ByInput, several: bool) -> bool:
    """Whether ``part`` is a table that has the columns ``wanted``; raises InputError if it may not be used.

    ``known``: the columns of all inputs that have any, for messages.
    """
    where = _of(next(iter(wanted)), several and len(wanted) == 1)
    refuse_lazy(part, where)
    if not is_table(part):
        if not exact:
            raise InputError(
                f"{where}columns= selects columns by name; got {type(part).__name__}, whose columns have no names"
            )
        return False
    names = dict.fromkeys(column for columns in wanted.values() for column in columns)
    if exact and (unknown := [column for column in column_names(part) if column not in names]):
        select = "{" + ", ".join(f"'{name}': [...]" for name in known) + "}" if several else "[...]"
        raise InputError(
            f"{where}the model does not know the column{'s' * (len(unknown) > 1)} {', '.join(map(str, unknown))}; its "
            f"columns are: {', '.join(names)} (predict(..., columns={select}) selects from a table with more)"
        )
    return True


def refuse_unnamed(part: Any, name: str, alone: bool = False) -> None:
    """Raises InputError if ``part`` is a table whose columns have no order.

    ``name``: the input that it is for; ``alone``: whether that is the only one.
    """
    refuse_lazy(part, f"input '{name}': ")
    if is_table(part) and not is_frame(part):
        columns = "[...]" if alone else f"{{'{name}': [...]}}"
        raise InputError(
            f"input '{name}' got named columns ({', '.join(map(str, column_names(part)))}): name those that make up a "
            f"row, in order, with columns={columns} of load or predict"
        )


def refuse_missing(x: Any, what: str) -> None:
    """Raises InputError if ``x`` is a masked array, or a list that has one, with masked elements, whose values are
    not to be used.
    """
    parts = x if isinstance(x, (list, tuple)) else [x]
    if any(isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part) for part in parts):
        raise InputError(f"{what} has masked elements: fill them, x.filled(value), with a value that the model accepts")


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
    if hasattr(table, "column_names"):  # pyarrow's tables, whose attribute columns has the data
        return list(table.column_names)
    fields = _fields(table)
    return list(table.columns if fields is None and hasattr(table, "columns") else fields or table)


def _fields(x: Any) -> Sequence[str] | None:
    """The names of the fields of a structured or awkward array."""
    return getattr(getattr(x, "dtype", None), "names", None) or getattr(x, "fields", None) or None


def _stacked(table: Any, names: Sequence[str], where: str) -> np.ndarray:
    """The columns ``names`` of a table as a matrix; ``where``: the beginning of messages."""
    if hasattr(table, "to_dask_array"):  # a data frame of dask stays lazy
        lazy: np.ndarray = table[list(names)].to_dask_array()
        return lazy
    arrays = []
    for name in names:
        array = _numbers(table[name], f"{where}column '{name}'")
        if array.ndim != 1:
            raise ShapeError(f"{where}column '{name}' has shape {array.shape}; one number per row is needed")
        arrays.append(array)
    if len({len(array) for array in arrays}) > 1:
        lengths = ", ".join(f"'{name}' has {len(array)}" for name, array in zip(names, arrays, strict=True))
        raise ShapeError(f"{where}the columns have different lengths: {lengths}")
    return np.stack(arrays, axis=1)


def _numbers(values: Any, what: str) -> np.ndarray:
    """A column as an array of real numbers, with NaN for those that pandas lacks; ``what``: the subject of messages.

    Raises ShapeError, DtypeError for elements of other types, and InputError for masked elements.
    """
    refuse_missing(values, what)
    try:
        column = np.asarray(values)
    except ValueError as error:
        raise ShapeError(f"{what} does not have one number per row: {error}") from None
    if column.dtype.kind in "biuf":
        return column
    kind = str(column.dtype)
    if column.dtype == object:
        if hasattr(values, "isna"):
            column = np.where(values.isna(), np.nan, column)
        texts = [value for value in column.flat if isinstance(value, (str, bytes))]
        try:
            if not texts:
                return column.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise DtypeError(f"{what} has elements that are not numbers: {one_line(error)}") from None
        kind = f"text, such as {texts[0][:40]!r}"
    raise DtypeError(f"{what} has elements of type {kind}; real numbers are needed")


def refuse_columns(x: Any, where: str) -> None:
    """Raises the errors of :func:`_numbers` for the columns of a data frame; ``where``: the beginning of messages."""
    if is_frame(x):
        for name in column_names(x):
            _numbers(x[name], f"{where}column '{name}'")


def refuse_lazy(x: Any, where: str) -> None:
    """Raises InputError for a query whose rows are not computed yet, as polars' LazyFrame is."""
    if hasattr(x, "collect") and not hasattr(x, "shape"):
        raise InputError(f"{where}{type(x).__name__} is a query: give its rows, x.collect()")
