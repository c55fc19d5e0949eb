"""``Model.predict``: tables with named columns, and evaluation in batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import InputError, OptionError, ShapeError
from sofie_jit.report.progress import Progress

Columns = Sequence[str] | Mapping[str, Sequence[str]]
"""Names of columns, in the order of the input's last axis; for several inputs a dict by input name."""

SHOWN = {0: False, 1: True, "auto": None}
"""The values of ``verbose``, and whether the progress bar is shown; None: on a terminal."""


def predict(
    infer: Callable[[Any], Any],
    input_names: Sequence[str],
    x: Any,
    batch_size: int | None = None,
    verbose: int | str = 0,
    columns: Columns | None = None,
) -> Any:
    """:meth:`sofie_jit.Model.predict` of a model with this ``infer`` and these inputs."""
    if verbose not in SHOWN:
        raise OptionError(f"verbose must be 0, 1 or 'auto', got {verbose!r}")
    if batch_size is not None and batch_size < 1:
        raise OptionError(f"batch_size must be a positive number of rows, got {batch_size}")
    given = _as_inputs(x, input_names, columns)
    if batch_size is None and not SHOWN[verbose]:
        return infer(given)
    rows = len(_arrays(given)[0])
    size = batch_size or max(rows, 1)
    batches = []
    with Progress(rows, shown=SHOWN[verbose]) as bar:
        for start in range(0, max(rows, 1), size):
            batch = slice(start, min(start + size, rows))
            batches.append(infer(_rows(given, batch)))
            bar.advance(batch.stop - batch.start)
    return batches[0] if len(batches) == 1 else _concatenated(batches)


def _as_inputs(x: Any, names: Sequence[str], columns: Columns | None) -> Any:
    """The argument of ``infer``: ``x`` itself, or its ``columns`` as one array per input."""
    if columns is None:
        if len(names) == 1 and _is_table(x, names[0]):
            raise InputError(
                f"the model has one input, '{names[0]}', and got named columns ({', '.join(map(str, _keys(x)))}): name "
                "those that make up a row with columns=[...], in order"
            )
        return x
    by_input = columns if isinstance(columns, Mapping) else dict.fromkeys(names[:1], columns)
    if set(by_input) != set(names):
        raise InputError(f"the model's inputs are named {list(names)}; columns= names columns of {list(by_input)}")
    return {name: _stacked(x, chosen) for name, chosen in by_input.items()}


def _is_table(x: Any, name: str) -> bool:
    """Whether ``x`` has named columns, other than a data frame, whose columns are ordered, or a dict of inputs."""
    if isinstance(x, Mapping):
        return set(x) != {name}
    return bool(getattr(getattr(x, "dtype", None), "names", None) or getattr(x, "fields", None))


def _keys(x: Any) -> list[Any]:
    """The names of the columns of a table."""
    names = getattr(getattr(x, "dtype", None), "names", None) or getattr(x, "fields", None)
    return list(x.columns if names is None and hasattr(x, "columns") else names or x)


def _stacked(x: Any, columns: Sequence[str]) -> np.ndarray:
    """An array (rows, columns) of the named columns of a table."""
    known = _keys(x)
    if missing := [name for name in columns if name not in known]:
        raise InputError(f"there is no column {', '.join(missing)}; there are: {', '.join(map(str, known))}")
    arrays = []
    for name in columns:
        try:
            array = np.asarray(x[name])
        except ValueError as error:
            raise ShapeError(f"column '{name}' does not have one number per row: {error}") from None
        if array.ndim != 1:
            raise ShapeError(f"column '{name}' has shape {array.shape}; one number per row is needed")
        arrays.append(array)
    if len({len(array) for array in arrays}) > 1:
        lengths = ", ".join(f"'{name}' has {len(array)}" for name, array in zip(columns, arrays, strict=True))
        raise ShapeError(f"the columns have different lengths: {lengths}")
    return np.stack(arrays, axis=1)


def _arrays(given: Any) -> list[Any]:
    """The arrays in the argument of ``infer``."""
    if isinstance(given, Mapping):
        return list(given.values())
    return list(given) if _is_list(given) else [given]


def _is_list(given: Any) -> bool:
    """Whether a list holds one array per input, rather than one array as nested lists."""
    return isinstance(given, (list, tuple)) and all(hasattr(part, "shape") and len(part.shape) > 0 for part in given)


def _rows(given: Any, rows: slice) -> Any:
    """Some rows of the argument of ``infer``."""
    if isinstance(given, Mapping):
        return {name: part[rows] for name, part in given.items()}
    return [part[rows] for part in given] if _is_list(given) else given[rows]


def _concatenated(parts: Sequence[Any]) -> Any:
    """The results of several batches as those of one, in the same structure."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {key: _concatenated([part[key] for part in parts]) for key in first}
    if isinstance(first, (list, tuple)):
        return type(first)(_concatenated(column) for column in zip(*parts, strict=True))
    return np.concatenate(parts)
