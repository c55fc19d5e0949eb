"""``Model.predict``: tables, evaluation in batches, and results as data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sofie_jit.errors import MissingDependencyError, OptionError
from sofie_jit.models.arguments import unpack
from sofie_jit.models.columns import Columns, is_frame
from sofie_jit.report.progress import Progress

if TYPE_CHECKING:
    from sofie_jit.ir.rmodel import RModel

SHOWN = {0: False, 1: True, "auto": None}
"""The values of ``verbose``, and whether the progress bar is shown; None: on a terminal."""

OUTPUTS = ("numpy", "pandas")
"""The values of ``output``."""


class Predictable(Protocol):
    """The part of :class:`sofie_jit.Model` that ``predict`` uses."""

    columns: Columns | None

    @property
    def rmodel(self) -> RModel: ...
    @property
    def output_names(self) -> list[str]: ...
    def _arranged(self, x: Any, columns: Columns | None) -> Any: ...
    def infer(self, *inputs: Any) -> Any: ...


def predict(
    model: Predictable,
    x: Any,
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
    given = model._arranged(x, columns)
    if columns is not None:
        model.columns = columns
    results = _in_batches(model, given, batch_size, SHOWN[verbose])
    return results if output == "numpy" else frame(model, results, getattr(x, "index", None) if is_frame(x) else None)


def _in_batches(model: Predictable, given: Any, batch_size: int | None, shown: bool | None) -> Any:
    if batch_size is None and not shown:
        return model.infer(given)
    rows = len(_arrays(given)[0])
    size = batch_size or max(rows, 1)
    batches = []
    with Progress(rows, shown=shown) as bar:
        for start in range(0, max(rows, 1), size):
            batch = slice(start, min(start + size, rows))
            batches.append(model.infer(_rows(given, batch)))
            bar.advance(batch.stop - batch.start)
    return batches[0] if len(batches) == 1 else _concatenated(batches)


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
    for name, array in zip(model.output_names, unpack(model.rmodel.output_structure, results), strict=True):
        flat = array.reshape(len(array), int(np.prod(array.shape[1:])))
        one = flat.shape[1] == 1
        found |= {name if one else f"{name}_{i}": flat[:, i] for i in range(flat.shape[1])}
    return pandas.DataFrame(found, index=index)


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
