"""Arguments and results of ``infer``: checks, conversions, sizes of open dimensions, and nested structures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import DtypeError, InputError, ShapeError, counted
from sofie_jit.ir.dims import BATCH, Shape
from sofie_jit.ir.types import TensorType
from sofie_jit.models.columns import matched

OpenShape = tuple[int | None, ...]
"""A shape in which None stands for a size that is known only when the model runs."""


class Arguments:
    """The inputs of a network.

    ``types``: their types by name, in the order of the arguments.
    ``keys``: other names -> names of inputs.
    """

    def __init__(self, types: Mapping[str, TensorType], keys: Mapping[str, str] | None = None):
        self.types = dict(types)
        self.keys = dict(keys or {})
        self.columns: dict[str, list[str]] | None = None
        """For each input the names of the columns of tables that make up a row; None if they are not known."""
        self.shapes = [open_shape(kind.shape) for kind in types.values()]

    def standardize(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        """The positional arguments of ``infer`` as one C-contiguous array of the right type per input.

        ``inputs``: one array-like per input, or one list of them, or one dict by name.

        Raises InputError, ShapeError or DtypeError.
        """
        names = list(self.types)
        values: Sequence[Any] = inputs
        if self.columns is not None:
            inputs = values = [matched(inputs[0] if len(inputs) == 1 else list(inputs), self.columns)]
        if len(inputs) == 1 and isinstance(inputs[0], Mapping):
            given = inputs[0]
            if self.keys and set(given) == set(self.keys):
                given = {self.keys[key]: value for key, value in given.items()}
            if set(given) != set(names):
                others = f", or {list(self.keys)}" if self.keys else ""
                raise InputError(f"the model's inputs are named {names}{others}; got {list(given)}")
            values = [given[name] for name in names]
        elif len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) and _is_list_of_inputs(inputs[0], len(names)):
            values = inputs[0]
        if len(values) != len(names):
            wanted, got = counted(len(names), "input"), counted(len(values), "array")
            raise InputError(f"the model has {wanted} ({', '.join(names)}); got {got}")
        return [
            _convert(value, name, kind, shape)
            for value, (name, kind), shape in zip(values, self.types.items(), self.shapes, strict=True)
        ]

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


def _convert(value: Any, name: str, kind: TensorType, shape: OpenShape) -> np.ndarray:
    """``value`` as a C-contiguous array of the input's type; raises DtypeError or ShapeError."""
    try:
        array = _array(value, kind)
    except (ValueError, TypeError) as error:
        raise ShapeError(f"input '{name}' is not a rectangular array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise DtypeError(
            f"input '{name}' has element type {array.dtype}; real numbers (convertible to {kind.dtype}) are needed"
        )
    given, array = array.shape, _fit_rank(array, shape)
    if array.ndim != len(shape) or any(d not in (None, size) for d, size in zip(shape, array.shape, strict=True)):
        raise ShapeError(f"input '{name}' has shape {given}, expected {shape}{_hint(given, shape)}")
    return np.require(array, np.dtype(kind.dtype), ["C", "A"])


def _array(value: Any, kind: TensorType) -> np.ndarray:
    """Any array-like as an array: lists, objects with ``__array__`` or ``__dlpack__``, data frames."""
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.from_dlpack(value)
    array = np.asarray(value)
    if array.dtype == object and hasattr(value, "to_numpy"):  # a data frame with columns of several types
        array = value.to_numpy(dtype=kind.dtype)
    return array


def _fit_rank(array: np.ndarray, shape: OpenShape) -> np.ndarray:
    """Adds or drops a last axis of length 1, as Keras does."""
    if array.ndim == len(shape) - 1 and shape[-1] == 1:
        return array[..., None]
    if array.ndim == len(shape) + 1 and array.shape[-1] == 1:
        return array[..., 0]
    return array


def _hint(found: tuple[int, ...], expected: OpenShape) -> str:
    """The likely remedy for a wrong shape."""
    if len(found) == len(expected) - 1 and all(e in (None, f) for f, e in zip(found, expected[1:], strict=True)):
        return ": the batch axis is missing; pass x[None] for a single row"
    if len(found) == len(expected) and expected and expected[0] is not None and found[1:] == expected[1:]:
        return f": the batch size is fixed at {expected[0]}, as in a model with stateful=True; pass {expected[0]} rows"
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
