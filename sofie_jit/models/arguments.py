"""Arguments and results of ``infer``: checks, conversions, sizes of open dimensions, and nested structures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from sofie_jit.errors import DtypeError, InputError, ShapeError, counted, one_line
from sofie_jit.ir.dims import BATCH, Shape, SymbolicDim
from sofie_jit.ir.types import TensorType
from sofie_jit.models.columns import (
    Columns,
    arranged,
    by_input,
    is_frame,
    refuse_columns,
    refuse_missing,
    refuse_unnamed,
)

OpenShape = tuple[int | None, ...]
"""A shape in which None stands for a size that is known only when the model runs."""

Found = TypeVar("Found")


TABLES = " (the columns of a table are named with columns= of load or predict)"
"""The end of a message about inputs that may be columns of a table."""


class Arguments:
    """The inputs of a network.

    ``types``: their types by name, in the order of the arguments.
    ``keys``: other names -> names of inputs.
    """

    def __init__(self, types: Mapping[str, TensorType], keys: Mapping[str, str] | None = None):
        self.types = dict(types)
        self.keys = dict(keys or {})
        self.columns: dict[str, list[str]] | None = None
        """Names of the columns of tables that make up a row, for some or all inputs; None if they are not known."""
        self.shapes = [open_shape(kind.shape) for kind in types.values()]

    def by_input(self, columns: Columns) -> dict[str, list[str]]:
        """Names of columns by input; see :func:`sofie_jit.models.columns.by_input`."""
        if isinstance(columns, Mapping):
            columns = self._by_name(columns)
        return by_input(columns, dict(zip(self.types, self.shapes, strict=True)))

    def arranged(self, x: Any, columns: Columns | None = None) -> Any:
        """The argument of ``infer`` with its tables replaced by arrays; see :func:`sofie_jit.models.columns.arranged`.

        ``columns``: names of columns; by default those that are remembered, which tables must have exactly.
        """
        names = list(self.types)
        if isinstance(x, Mapping):
            x = self._by_name(x)
        known = self.columns if columns is None else self.by_input(columns)
        if known is not None:
            return arranged(x, known, names, exact=columns is None)
        parts = x if isinstance(x, Mapping) and set(x) == set(names) else {names[0]: x} if len(names) == 1 else {}
        for name, part in parts.items():
            refuse_unnamed(part, name, alone=len(names) == 1)
        return x

    def known_arranged(self, x: Any) -> Any:
        """As :meth:`arranged`, for ``infer``: without names of columns, a dict has inputs and is not a table."""
        if self.columns is None:
            return self._by_name(x) if isinstance(x, Mapping) else x
        return self.arranged(x)

    def _by_name(self, given: Mapping[Any, Any]) -> Mapping[Any, Any]:
        """A dict with names of inputs in place of their other names, which come first if both are the same texts."""
        others = self.keys and set(given).issubset(self.keys)
        return {self.keys[key]: value for key, value in given.items()} if others else given

    @property
    def labels(self) -> list[str]:
        """The name of each input in a dict: its own, unless that is also the other name of another input."""
        keys = {name: key for key, name in self.keys.items()}
        return [keys[name] for name in self.types] if set(self.keys) == set(self.types) else list(self.types)

    def ordered(self, given: Any, *, listed: bool = False) -> list[Any]:
        """The argument of ``infer`` as one value per input, in the order of the inputs.

        ``given``: an argument as :meth:`arranged` returns it, whose dicts have the inputs by name.
        ``listed``: whether it is a list of inputs for certain, rather than one array as nested lists.

        Raises InputError for a wrong number or wrong names of inputs.
        """
        names = list(self.types)
        if isinstance(given, Mapping):
            if set(given) != set(names):
                others = f", or {list(self.keys)}" if self.keys else ""
                hint = TABLES if all(getattr(value, "ndim", 1) == 1 for value in given.values()) else ""
                raise InputError(f"the model's inputs are named {names}{others}; got {list(given)}{hint}")
            return [given[name] for name in names]
        is_list = listed or (isinstance(given, (list, tuple)) and _is_list_of_inputs(given, len(names)))
        values = list(given) if is_list else [given]
        if len(values) != len(names):
            wanted, got = counted(len(names), "input"), counted(len(values), "array")
            hint = TABLES if any(map(is_frame, values)) else ""
            raise InputError(f"the model has {wanted} ({', '.join(names)}); got {got}{hint}")
        return values

    def standardize(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        """The positional arguments of ``infer`` as one C-contiguous array of the right type per input.

        ``inputs``: one array-like per input, or one list of them, or one dict by name.

        Raises InputError, ShapeError or DtypeError.
        """
        listed = len(inputs) != 1
        given: Any = list(inputs) if listed else inputs[0]
        given = self.known_arranged(given)
        values = self.ordered(given, listed=listed and not isinstance(given, Mapping))
        try:
            return [
                _convert(value, name, kind, shape)
                for value, (name, kind), shape in zip(values, self.types.items(), self.shapes, strict=True)
            ]
        except ShapeError as error:
            shapes = [getattr(value, "shape", ()) for value in values]
            if isinstance(given, Mapping) or fitting_order(shapes, self.shapes, same_sizes) is None:
                raise
            raise ShapeError(
                f"{error}; the arrays fit in another order: the inputs are {', '.join(self.types)}, and a dict gives "
                "them by name"
            ) from None

    def batched(self) -> list[str]:
        """The inputs whose first axis counts the rows of the batch."""
        first = {name: str(kind.shape[0]) for name, kind in self.types.items() if kind.shape}
        batch = str(BATCH) if str(BATCH) in first.values() else next(iter(first.values()), "")
        return [name for name, dim in first.items() if dim == batch]

    def refuse_unequal_rows(self, values: Sequence[Any]) -> None:
        """Raises ShapeError if values with a shape, one per input, have different numbers of rows.

        Does nothing if another size of one of them is wrong, so that the more precise error of :meth:`standardize`
        comes first.
        """
        shapes = {name: tuple(value.shape) for name, value in zip(self.types, values, strict=True)}
        if not all(map(same_sizes, shapes.values(), self.shapes)):
            return
        rows = {name: shapes[name][0] for name in self.batched()}
        if len(set(rows.values())) > 1:
            counts = ", ".join(f"'{name}' has {count}" for name, count in rows.items())
            hint = "; numpy.repeat(x, n, axis=0) repeats a single row" if 1 in rows.values() else ""
            raise ShapeError(f"the inputs have different numbers of rows: {counts}{hint}")

    def bind(self, arrays: Sequence[np.ndarray]) -> dict[str, int]:
        """The sizes of the run-time dimensions by name, read off one array per input.

        Raises ShapeError if two inputs disagree.
        """
        dims: dict[str, int] = {}
        owner: dict[str, str] = {}
        for array, (name, kind) in zip(arrays, self.types.items(), strict=True):
            for axis, (size, dim) in enumerate(zip(array.shape, kind.shape, strict=True)):
                if isinstance(dim, int):
                    continue
                key = str(dim)
                if dims.setdefault(key, size) != size:
                    what = "batch sizes" if dim == BATCH else f"sizes of '{dim}'"
                    raise ShapeError(
                        f"{what} differ: input '{owner[key]}' has {dims[key]}, input '{name}' has {size} in axis {axis}"
                    )
                owner.setdefault(key, name)
        return dims


def by_keyword(
    inputs: tuple[Any, ...], named: Mapping[str, Any], options: Sequence[str] = ("out", "threads")
) -> tuple[Any, ...]:
    """The positional arguments of ``infer``: ``inputs``, or all inputs as one dict if they are keyword arguments.

    ``options``: the names of other keyword arguments, for the message.

    Raises InputError for both at once, as for an option that does not exist.

    >>> by_keyword((), {"jets": 1, "tracks": 2})
    ({'jets': 1, 'tracks': 2},)
    """
    if inputs and named:
        raise InputError(
            f"there is no option {', '.join(f'{name}=' for name in named)}; the options are "
            f"{', '.join(f'{name}=' for name in options[:-1])} and {options[-1]}=, and inputs are either all "
            "positional or all keyword arguments"
        )
    return (named,) if named else inputs


def result_arrays(outputs: Sequence[tuple[str, TensorType]], out: Any, dims: Mapping[str, int]) -> list[np.ndarray]:
    """The arrays that a call writes to: new ones, or those of ``out``.

    ``outputs``: name and type of each output.
    ``out``: None, an array, or a list of one array per output.
    ``dims``: sizes of the run-time dimensions by name.

    Raises ShapeError, DtypeError or InputError if ``out`` does not fit.
    """
    shapes = [tuple(dim if isinstance(dim, int) else dim.evaluate(dims) for dim in kind.shape) for _, kind in outputs]
    if out is None:
        return [np.empty(shape, kind.dtype) for shape, (_, kind) in zip(shapes, outputs, strict=True)]
    results = list(out) if isinstance(out, (list, tuple)) else [out]
    if len(results) != len(shapes):
        raise InputError(f"the model has {counted(len(shapes), 'output')}; out holds {counted(len(results), 'array')}")
    for (name, kind), result, shape in zip(outputs, results, shapes, strict=True):
        if not isinstance(result, np.ndarray) or result.dtype != np.dtype(kind.dtype):
            raise DtypeError(
                f"out for '{name}' must be a {kind.dtype} numpy array, got {getattr(result, 'dtype', type(result))}"
            )
        if result.shape != shape:
            raise ShapeError(f"out for '{name}' must have shape {shape}, got {result.shape}")
        if not (result.flags.c_contiguous and result.flags.writeable and result.flags.aligned):
            raise ShapeError(f"out for '{name}' must be C-contiguous, aligned and writable")
    return results


def open_shape(shape: Shape) -> OpenShape:
    """``shape`` with None for each size that is known only when the model runs."""
    return tuple(dim if isinstance(dim, int) else None for dim in shape)


def _is_list_of_inputs(value: Sequence[Any], count: int) -> bool:
    """Whether a single list holds one array per input, rather than one array as nested lists."""
    return count != 1 or (len(value) == 1 and isinstance(value[0], np.ndarray))


def fitting_order(
    found: Sequence[Found], expected: Sequence[OpenShape], fits: Callable[[Found, OpenShape], bool]
) -> list[int] | None:
    """An order in which the arrays ``found`` are inputs of the shapes ``expected``; None if there is none.

    ``fits``: whether an array can be an input of a shape.

    >>> fitting_order([(5, 2), (5, 3)], [(None, 3), (None, 2)], same_sizes)
    [1, 0]
    """
    if len(found) > MOST_REORDERED:
        return None
    fitting = (
        order
        for order in itertools.permutations(range(len(found)))
        if all(fits(found[i], shape) for i, shape in zip(order, expected, strict=True))
    )
    return next(map(list, fitting), None)


MOST_REORDERED = 6
"""The largest number of inputs that are tried in all orders."""


def open_sizes(types: Mapping[str, TensorType]) -> dict[str, list[tuple[str, int]]]:
    """The open sizes of inputs by name, each with the inputs and axes that it is the size of."""
    found: dict[str, list[tuple[str, int]]] = {}
    for name, kind in types.items():
        for axis, dim in enumerate(kind.shape):
            if isinstance(dim, SymbolicDim):
                found.setdefault(str(dim), []).append((name, axis))
    return found


def same_sizes(found: tuple[int, ...], expected: OpenShape) -> bool:
    """Whether an array of this shape is an input of the shape ``expected``; a last axis of length 1 may be missing."""
    if len(found) == len(expected) - 1 and expected[-1] == 1:
        found = (*found, 1)
    elif len(found) == len(expected) + 1 and found[-1] == 1:
        found = found[:-1]
    return len(found) == len(expected) and all(e in (None, f) for e, f in zip(expected, found, strict=True))


def _convert(value: Any, name: str, kind: TensorType, shape: OpenShape) -> np.ndarray:
    """``value`` as a C-contiguous array of the input's type; raises DtypeError or ShapeError."""
    if type(value) is not np.ndarray or value.dtype.names:
        refuse_unnamed(value, name)
        refuse_missing(value, f"input '{name}'")
    try:
        array = _array(value, kind, name)
    except (ValueError, TypeError) as error:
        refuse_columns(value, f"input '{name}': ")
        _refuse_ragged(value, name, shape)
        raise ShapeError(f"input '{name}' is not a rectangular array of numbers: {error}") from None
    except RuntimeError as error:  # a tensor of PyTorch with a gradient
        hint = "; pass x.detach()" if hasattr(value, "detach") else ""
        raise InputError(f"input '{name}' cannot be converted to an array: {one_line(error)}{hint}") from None
    if array.dtype.kind not in "biuf":
        refuse_columns(value, f"input '{name}': ")
        _refuse_ragged(value, name, shape)
        raise DtypeError(
            f"input '{name}' has element type {array.dtype}; real numbers (convertible to {kind.dtype}) are needed"
        )
    given, array = array.shape, _fit_rank(array, shape)
    if array.ndim != len(shape) or any(d not in (None, size) for d, size in zip(shape, array.shape, strict=True)):
        hint = _hint(given, shape) or (TABLES if is_frame(value) else "")
        raise ShapeError(f"input '{name}' has shape {given}, expected {shape}{hint}")
    return np.require(array, np.dtype(kind.dtype), ["C", "A"])


def _array(value: Any, kind: TensorType, name: str) -> np.ndarray:
    """Any array-like as an array: lists, objects with ``__array__`` or ``__dlpack__``, data frames."""
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.from_dlpack(value)
    array = np.asarray(value)
    if array.dtype == object and hasattr(value, "to_numpy"):  # a data frame with columns of several types
        refuse_columns(value, f"input '{name}': ")  # pandas takes times for numbers
        array = value.to_numpy(dtype=kind.dtype)
    return array


def _fit_rank(array: np.ndarray, shape: OpenShape) -> np.ndarray:
    """Adds or drops a last axis of length 1, as Keras does."""
    if array.ndim == len(shape) - 1 and shape[-1] == 1:
        return array[..., None]
    if array.ndim == len(shape) + 1 and array.shape[-1] == 1:
        return array[..., 0]
    return array


def _refuse_ragged(value: Any, name: str, shape: OpenShape) -> None:
    """Raises ShapeError if ``value`` consists of arrays of different shapes; says how they become one array."""
    try:
        found = list(dict.fromkeys(map(np.shape, value)))
    except (ValueError, TypeError):  # not a sequence, or its parts are not rectangular themselves
        return
    if len(found) < 2:
        return
    row = shape[1:]
    shown = f"input '{name}' got arrays of different shapes, such as {found[0]} and {found[1]}, in place of one array"
    if any(len(part) == len(shape) for part in found):
        raise ShapeError(
            f"{shown}: each of them is a batch; evaluate them one by one, or join them by numpy.concatenate"
        )
    if (len(row) == 1 and row[0] is not None) or any(len(part) != len(row) for part in found):
        raise ShapeError(f"{shown}: a row of it has the shape {row}")
    changing = [axis for axis, sizes in enumerate(zip(*found, strict=True)) if len(set(sizes)) > 1]
    padded = "pad them to the same size (with the value that the model masks, if it does)"
    if all(row[axis] is None for axis in changing):
        raise ShapeError(f"{shown}: {padded}, or evaluate them one by one, [model.infer(x[None]) for x in arrays]")
    raise ShapeError(f"{shown}: the model has the fixed size {row}; {padded}, and cut longer ones")


def _hint(found: tuple[int, ...], expected: OpenShape) -> str:
    """The likely remedy for a wrong shape."""
    if len(found) == len(expected) - 1 and all(e in (None, f) for f, e in zip(found, expected[1:], strict=True)):
        return ": the batch axis is missing; pass x[None] for a single row"
    if len(found) == len(expected) and expected and expected[0] is not None and found[1:] == expected[1:]:
        return (
            f": the batch size is fixed at {expected[0]} in the model; pass {counted(expected[0], 'row')}, or save "
            "the model with an open batch (Keras: an Input without batch_size=, stateful=False; PyTorch and ONNX: "
            "dynamic_shapes= of the export)"
        )
    if len(found) == len(expected) and sorted(found[1:]) == sorted(e or 0 for e in expected[1:]):
        return ": the axes are in another order; see numpy.transpose"
    if found and None not in expected[1:] and math.prod(found[1:]) == math.prod(e or 0 for e in expected[1:]):
        return f": the number of elements fits; pass x.reshape({(-1, *expected[1:])})"
    return ""


def pack(structure: Any, results: list[np.ndarray]) -> Any:
    """``results`` in the structure in which ``infer`` returns them.

    ``structure``: nested lists, tuples and dicts of indices into ``results``, or None.

    >>> pack({"a": 1, "b": [0, 2]}, ["x", "y", "z"])
    {'a': 'y', 'b': ['x', 'z']}
    >>> pack(None, ["x"])
    'x'
    """
    if structure is None:
        return results[0] if len(results) == 1 else results
    if isinstance(structure, dict):
        return {key: pack(part, results) for key, part in structure.items()}
    if isinstance(structure, (list, tuple)):
        return type(structure)(pack(part, results) for part in structure)
    return results[structure]


def unpack(structure: Any, packed: Any) -> list[np.ndarray]:
    """The inverse of :func:`pack`: the results in their order.

    >>> unpack({"a": 1, "b": [0, 2]}, {"a": "y", "b": ["x", "z"]})
    ['x', 'y', 'z']
    """
    found = dict(_numbered(structure, packed))
    return [found[index] for index in sorted(found)]


def _numbered(structure: Any, packed: Any) -> Iterator[tuple[int, np.ndarray]]:
    """The results with their indices."""
    if structure is None:
        yield from enumerate(packed if isinstance(packed, list) else [packed])
    elif isinstance(structure, Mapping):
        for key, part in structure.items():
            yield from _numbered(part, packed[key])
    elif isinstance(structure, (list, tuple)):
        for part, result in zip(structure, packed, strict=True):
            yield from _numbered(part, result)
    else:
        yield structure, packed
