"""``Model.predict``: tables, evaluation in batches, and results as data frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from sofie_jit.errors import InputError, MissingDependencyError, OptionError
from sofie_jit.models.arguments import Arguments, by_keyword, unpack
from sofie_jit.models.columns import Columns, is_frame
from sofie_jit.report.progress import Progress

SHOWN = {0: False, 1: True, "auto": None}
"""The values of ``verbose``, and whether the progress bar is shown; None: on a terminal."""

OUTPUTS = ("numpy", "pandas")
"""The values of ``output``."""

OPTIONS = ("batch_size", "verbose", "columns", "output")
"""The keyword arguments that are not inputs."""


class Predictable(Protocol):
    """The part of :class:`sofie_jit.Model` that ``predict`` uses."""

    columns: Columns | None
    _arguments: Arguments

    @property
    def output_names(self) -> list[str]: ...
    @property
    def output_structure(self) -> Any: ...
    def _arranged(self, x: Any, columns: Columns | None) -> Any: ...
    def _has_inputs(self, names: set[str]) -> bool: ...
    def _called_with(self, given: Any) -> tuple[Any, Any]: ...
    def infer(self, *inputs: Any) -> Any: ...


def predict(
    model: Predictable,
    x: Any,
    named: Mapping[str, Any],
    batch_size: int | None = None,
    verbose: int | str = 0,
    columns: Columns | None = None,
    output: str = "numpy",
) -> Any:
    """:meth:`sofie_jit.Model.predict` of ``model``."""
    if not (batch_size is None or isinstance(batch_size, (int, np.integer))):
        raise OptionError(
            f"batch_size must be a number of rows, got {type(batch_size).__name__}: several inputs are one argument, a "
            "list or a dict, as in predict([a, b])"
        )
    if batch_size is not None and batch_size < 1:
        raise OptionError(f"batch_size must be a positive number of rows, got {batch_size}")
    if verbose not in SHOWN:
        raise OptionError(f"verbose must be 0, 1 or 'auto', got {verbose!r}")
    if output not in OUTPUTS:
        raise OptionError(f"output must be {' or '.join(map(repr, OUTPUTS))}, got {output!r}")
    x = _argument(model, x, named)
    known = model.columns
    given = model._arranged(x, columns)
    if columns is not None:
        model.columns = columns
    try:
        return _evaluated(model, x, given, batch_size, SHOWN[verbose], output)
    except Exception:
        model.columns = known
        raise


def _evaluated(model: Predictable, x: Any, given: Any, batch_size: int | None, shown: bool | None, output: str) -> Any:
    """The results for ``x``, whose tables are arrays in ``given``."""
    model, given = model._called_with(given)
    arguments = model._arguments
    values = arguments.ordered(given)
    if not all(hasattr(value, "shape") for value in values):  # nested lists
        values = arguments.standardize([given])
    arguments.refuse_unequal_rows(values)
    index = _index(x, arguments) if output == "pandas" else None
    by_name = isinstance(given, Mapping)

    def infer(parts: Sequence[Any]) -> Any:
        return model.infer(dict(zip(arguments.labels, parts, strict=True))) if by_name else model.infer(*parts)

    batched = [name in arguments.batched() for name in arguments.types]
    results = _in_batches(infer, values, batched, batch_size, shown)
    return results if output == "numpy" else frame(model, results, index)


def _argument(model: Predictable, x: Any, named: Mapping[str, Any]) -> Any:
    """The inputs as one argument: ``x``, or a dict of all of them if they are keyword arguments.

    An input may have the name ``x`` itself.
    """
    if x is not None and named and model._has_inputs({"x", *named}):
        x, named = None, {"x": x, **named}
    given = by_keyword(() if x is None else (x,), named, OPTIONS)
    if not given:
        raise InputError("predict needs the inputs: an array, a table, a list or a dict, or keyword arguments")
    return given[0]


def _in_batches(
    infer: Callable[[Sequence[Any]], Any],
    values: Sequence[Any],
    batched: Sequence[bool],
    batch_size: int | None,
    shown: bool | None,
) -> Any:
    """The results for one value per input; ``batched``: whether the first axis of each of them counts the rows."""
    if (batch_size is None and not shown) or not any(batched):
        return infer(values)
    rows = next(len(value) for value, has_rows in zip(values, batched, strict=True) if has_rows)
    size = batch_size or max(rows, 1)
    batches = []
    with Progress(rows, shown=shown) as bar:
        for start in range(0, max(rows, 1), size):
            batch = slice(start, min(start + size, rows))
            batches.append(infer([_rows(v, batch) if cut else v for v, cut in zip(values, batched, strict=True)]))
            bar.advance(batch.stop - batch.start)
    return batches[0] if len(batches) == 1 else _concatenated(batches)


def _index(x: Any, arguments: Arguments) -> Any:
    """The index of the pandas objects among the inputs; None if there are none.

    Raises InputError if their indexes differ.
    """
    found: dict[str, Any] = {}
    for name, table in _tables(x, arguments):
        if hasattr(table, "iloc"):
            found[name] = table.index
    if len(found) > 1:
        import pandas

        (first, index), *others = ((name, pandas.Index(index)) for name, index in found.items())
        for name, other in others:
            if not index.equals(other):
                raise InputError(
                    f"output='pandas' needs one index, but those of {first} and {name} differ: give both the same rows "
                    "in the same order, such as b.loc[a.index], or drop the indexes by reset_index(drop=True)"
                )
    return next(iter(found.values()), None)


def _tables(x: Any, arguments: Arguments) -> list[tuple[str, Any]]:
    """What may have an index among the inputs, each with its name for messages."""
    names = list(arguments.types)
    if isinstance(x, (list, tuple)) and len(x) == len(names):
        parts = {f"'{name}'": part for name, part in zip(names, x, strict=True) if len(names) > 1 or is_frame(part)}
    elif isinstance(x, Mapping):
        parts = {f"'{name}'": part for name, part in x.items()}
    else:
        return [("the table", x)] if is_frame(x) else []
    without_rows = {f"'{name}'" for name in set(names).difference(arguments.batched())}
    found = []
    for name, part in parts.items():
        if isinstance(part, Mapping):  # a dict of columns
            found += [(f"{name}, column '{column}'", values) for column, values in part.items()]
        elif name not in without_rows:
            found.append((name, part))
    return found


def frame(model: Predictable, results: Any, index: Any = None) -> Any:
    """The results of ``infer`` as one ``pandas.DataFrame``.

    A column has the name of its output, with its number in the row if the output has several: ``digit_0``. ``index``
    is that of the frame. Raises MissingDependencyError if pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingDependencyError(f"output='pandas' needs pandas: pip install pandas ({error})") from error
    found: dict[str, np.ndarray] = {}
    for name, array in zip(model.output_names, unpack(model.output_structure, results), strict=True):
        flat = array.reshape(len(array), int(np.prod(array.shape[1:])))
        one = flat.shape[1] == 1
        found |= {name if one else f"{name}_{i}": flat[:, i] for i in range(flat.shape[1])}
    return pandas.DataFrame(found, index=index)


def _rows(value: Any, rows: slice) -> Any:
    """Some rows of an array or a data frame."""
    return (value.iloc if hasattr(value, "iloc") else value)[rows]  # frame[rows] may mean labels of its index


def _concatenated(parts: Sequence[Any]) -> Any:
    """The results of several batches as those of one, in the same structure."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {key: _concatenated([part[key] for part in parts]) for key in first}
    if isinstance(first, (list, tuple)):
        return type(first)(_concatenated(column) for column in zip(*parts, strict=True))
    return np.concatenate(parts)
