"""What ``infer`` is given and gives: arrays checked and converted, open dimensions bound, results made."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import DtypeError, InputError, ShapeError
from sofie_jit.ir.operators.operator import BATCH, Dim, Shape, TensorType, split_count


class Arguments:
    """The inputs of a network, by name."""

    def __init__(self, kinds: Mapping[str, TensorType]):
        self.kinds = dict(kinds)
        self.shapes = [public_shape(kind.shape) for kind in kinds.values()]

    def standardize(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        """One C-contiguous array of the right type per input, from what ``Model.infer`` accepts.

        Raises InputError, ShapeError or DtypeError.
        """
        names = list(self.kinds)
        values: Sequence[Any] = inputs
        if len(inputs) == 1 and isinstance(inputs[0], Mapping):
            given = inputs[0]
            if set(given) != set(names):
                raise InputError(f"the model's inputs are named {names}; got {list(given)}")
            values = [given[name] for name in names]
        elif len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) and _is_list_of_inputs(inputs[0], len(names)):
            values = inputs[0]
        if len(values) != len(names):
            raise InputError(f"the model has {len(names)} inputs ({', '.join(names)}); got {len(values)} arrays")
        return [
            _convert(value, name, kind, shape)
            for value, (name, kind), shape in zip(values, self.kinds.items(), self.shapes, strict=True)
        ]

    def bind(self, arrays: Sequence[np.ndarray]) -> dict[str, int]:
        """The sizes of the run-time dimensions; ShapeError if two inputs disagree."""
        dims: dict[str, int] = {}
        owner: dict[str, str] = {}
        for array, (name, kind) in zip(arrays, self.kinds.items(), strict=True):
            for axis, (size, dim) in enumerate(zip(array.shape, kind.shape, strict=True)):
                if not isinstance(dim, str):
                    continue
                if dims.setdefault(dim, size) != size:
                    what = "batch sizes" if dim == BATCH else f"sizes of '{dim}'"
                    raise ShapeError(
                        f"{what} differ: input '{owner[dim]}' has {dims[dim]}, input '{name}' has {size} in axis {axis}"
                    )
                owner.setdefault(dim, name)
        return dims


def result_arrays(outputs: Sequence[tuple[str, TensorType]], out: Any, dims: Mapping[str, int]) -> list[np.ndarray]:
    """Fresh arrays for ``outputs``, or those of ``out``; ShapeError, DtypeError or InputError if they do not fit."""
    shapes = [tuple(_size(dim, dims) for dim in kind.shape) for _, kind in outputs]
    if out is None:
        return [np.empty(shape, kind.dtype) for shape, (_, kind) in zip(shapes, outputs, strict=True)]
    results = list(out) if isinstance(out, (list, tuple)) else [out]
    if len(results) != len(shapes):
        raise InputError(f"the model has {len(shapes)} outputs; out holds {len(results)} arrays")
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


def public_shape(shape: Shape) -> tuple[int | None, ...]:
    """A shape with None for what is known only when the model runs."""
    return tuple(None if isinstance(dim, str) else dim for dim in shape)


def _is_list_of_inputs(value: Sequence[Any], count: int) -> bool:
    """Whether a single list is a list of arrays (one per input) and not one array spelled as nested lists."""
    return count != 1 or (len(value) == 1 and isinstance(value[0], np.ndarray))


def _convert(value: Any, name: str, kind: TensorType, shape: tuple[int | None, ...]) -> np.ndarray:
    """``value`` as a C-contiguous array of the input's type; raises DtypeError or ShapeError."""
    try:
        array = _array(value, kind)
    except (ValueError, TypeError) as error:
        raise ShapeError(f"input '{name}' is no rectangular array of numbers: {error}") from None
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


def _fit_rank(array: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    """Adds or drops a last axis of length 1, as Keras does."""
    if array.ndim == len(shape) - 1 and shape[-1] == 1:
        return array[..., None]
    if array.ndim == len(shape) + 1 and array.shape[-1] == 1:
        return array[..., 0]
    return array


def _hint(found: tuple[int, ...], expected: tuple[int | None, ...]) -> str:
    """The likely cure for a wrong shape."""
    if len(found) == len(expected) - 1 and all(e in (None, f) for f, e in zip(found, expected[1:], strict=True)):
        return ": the batch axis is missing; pass x[None] for a single row"
    if len(found) == len(expected) and sorted(found[1:]) == sorted(e or 0 for e in expected[1:]):
        return ": the axes are in another order; see numpy.transpose"
    size = functools.reduce(lambda a, b: a * b, found[1:], 1)
    if found and None not in expected[1:] and size == functools.reduce(lambda a, b: a * (b or 0), expected[1:], 1):
        return f": the number of elements fits; pass x.reshape({(-1, *expected[1:])})"
    return ""


def _size(dim: Dim, sizes: Mapping[str, int]) -> int:
    """A dimension's value, once those known only at run time are."""
    factor, names = split_count((dim,))
    return math.prod((factor, *(sizes[name] for name in names)))


def pack(structure: Any, results: list[np.ndarray]) -> Any:
    """``results`` in the nested structure of indices that Keras would return them in."""
    if structure is None:
        return results[0] if len(results) == 1 else results
    if isinstance(structure, dict):
        return {key: pack(part, results) for key, part in structure.items()}
    if isinstance(structure, (list, tuple)):
        return type(structure)(pack(part, results) for part in structure)
    return results[structure]


def unpack(structure: Any, packed: Any) -> list[np.ndarray]:
    """The results that :func:`pack` made ``packed`` of, in their order."""
    found = dict(_numbered(structure, packed))
    return [found[index] for index in sorted(found)]


def _numbered(structure: Any, packed: Any) -> Iterator[tuple[int, np.ndarray]]:
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
