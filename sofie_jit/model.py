"""Model: a compiled network, numpy arrays in and out."""

from __future__ import annotations

import functools
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.errors import DtypeError, InputError, OutOfRangeError, ShapeError
from sofie_jit.header import export_header
from sofie_jit.jit import Session
from sofie_jit.operators.operator import BATCH, Dim, Shape, TensorType, split_count
from sofie_jit.parallel import FLOPS_PER_THREAD, run_all, shares, thread_count
from sofie_jit.passes import lower
from sofie_jit.rmodel import RModel, sizes_of

RELEASE_GIL_BYTES = 64 * 1024
"""Calls that read and write less than this keep the GIL: releasing it would cost more than they take."""


class Model:
    """A compiled network; :func:`sofie_jit.load` and :meth:`RModel.compile` make one.

    >>> model = sofie_jit.load("m.h5")
    >>> y = model.infer(x)           # x: (n, ...) of any numeric type, n >= 0; y: a fresh array

    Immutable and safe to call from many threads at once.
    """

    def __init__(self, rmodel: RModel, *, threads: int | None = None, optimize: bool = True):
        rmodel.generate()
        self._rmodel = rmodel
        self._lowered = lower(rmodel, optimize)
        self._session = Session(self._lowered)
        self._inputs = list(self._lowered.inputs.items())
        self._outputs = [self._lowered.tensor_type(name) for name in self._lowered.outputs]
        self._dims = list(self._session.rendering.dims)
        self._threads = thread_count(threads)
        self._optimize = optimize
        self._flops = flops_per_row(self._lowered)
        self._fast = self._fast_path()

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def rmodel(self) -> RModel:
        """The network before optimization."""
        return self._rmodel

    @property
    def name(self) -> str:
        return self._rmodel.name

    @property
    def input_names(self) -> list[str]:
        return list(self._rmodel.inputs)

    @property
    def output_names(self) -> list[str]:
        return self._rmodel.output_labels or list(self._rmodel.outputs)

    @property
    def input_shapes(self) -> list[tuple[int | None, ...]]:
        """Per input its shape; None stands for an open dimension, the first being the batch."""
        return [public_shape(kind.shape) for _, kind in self._inputs]

    @property
    def output_shapes(self) -> list[tuple[int | None, ...]]:
        return [public_shape(kind.shape) for kind in self._outputs]

    @property
    def input_dtypes(self) -> list[str]:
        """Per input the element type it is computed in; other numeric types are converted."""
        return [kind.dtype for kind in self._rmodel.inputs.values()]

    @property
    def output_dtypes(self) -> list[str]:
        return [kind.dtype for kind in self._outputs]

    # -- running -------------------------------------------------------------------------------------------------

    def infer(self, *inputs: Any, out: Any = None, threads: int | None = None) -> Any:
        """Evaluates the network.

        ``inputs``: one array per input, or one list of arrays, or one dict by input name. Each has the shape of
        :attr:`input_shapes` with any batch size, 0 included; any real numeric type and memory order is converted.
        ``out``: arrays to write to (C-contiguous, of the exact type and shape), one or a list.
        ``threads``: at most so many threads share a big batch, instead of what :func:`sofie_jit.load` was given;
        the results' bits do not depend on it.

        Returns fresh arrays in the structure Keras returns: one array, a list, or a dict.

        Raises InputError (a TypeError) for a wrong number or wrong names of inputs, ShapeError (a ValueError) for a
        wrong shape, DtypeError (a TypeError) for arrays that are not real numbers, OutOfRangeError (an IndexError) if
        an index in the data lies outside its table.
        """
        if out is None and threads is None and len(inputs) == 1:
            result = self._fast(inputs[0])
            if result is not None:
                return result
        arrays = self._standardize(inputs)
        dims = self._bind_dims(arrays)
        results = self._results(out, dims)
        self._run(dims, arrays, results, self._threads if threads is None else thread_count(threads))
        return _pack(self._rmodel.output_structure, results)

    __call__ = infer

    def _run(self, dims: dict[str, int], arrays: list[np.ndarray], results: list[np.ndarray], threads: int) -> None:
        session = self._session
        buffers = [array if array.size else np.zeros(1, array.dtype) for array in (*arrays, *results)]

        def call(infer: Callable[..., int], rows: slice | None = None) -> int:
            sizes = [rows.stop - rows.start if rows and name == BATCH else dims[name] for name in self._dims]
            return infer(session.handle, *sizes, *(buffers if rows is None else [array[rows] for array in buffers]))

        if sum(array.nbytes for array in buffers) < RELEASE_GIL_BYTES:
            statuses = [call(session.infer)]
        elif session.rendering.tiled:
            parts = shares(dims[BATCH], threads, self._flops)
            statuses = run_all([functools.partial(call, session.infer_released, rows) for rows in parts])
        else:
            statuses = [call(session.infer_released)]
        for status in filter(None, statuses):
            raise OutOfRangeError(session.rendering.failures[status])

    def _fast_path(self) -> Callable[[Any], np.ndarray | None]:
        """The way of most calls: one float array of the right type and shape in, one out; None if it does not fit."""
        kinds = [kind for _, kind in self._inputs] + self._outputs
        simple = len(kinds) == 2 and self._dims == [BATCH] and self._rmodel.output_structure in (None, 0)
        simple = simple and all(split_count(kind.shape)[0] for kind in kinds)  # cppyy takes no empty arrays
        if not simple or any(kind.shape[:1] != (BATCH,) for kind in kinds) or self._session.rendering.failures:
            return lambda x: None
        source, target = kinds
        dtype, row, rank = np.dtype(source.dtype), source.shape[1:], source.rank
        out_dtype, out_row = np.dtype(target.dtype), target.shape[1:]
        infer, infer_released, handle = self._session.infer, self._session.infer_released, self._session.handle
        empty, ndarray = np.empty, np.ndarray
        row_bytes = sum(split_count(kind.shape)[0] * np.dtype(kind.dtype).itemsize for kind in kinds) or 1
        small_batch = RELEASE_GIL_BYTES // row_bytes
        big_batch = int(2 * FLOPS_PER_THREAD / self._flops) if self._threads > 1 else sys.maxsize

        def fast(x: Any) -> np.ndarray | None:
            if type(x) is not ndarray or x.dtype != dtype or not x.flags.c_contiguous:
                return None
            shape = x.shape
            if len(shape) != rank or shape[1:] != row:
                return None
            batch = shape[0]
            if batch >= big_batch:
                return None
            y = empty((batch, *out_row), out_dtype)
            if batch:
                (infer if batch < small_batch else infer_released)(handle, batch, x, y)
            return y

        return fast

    def _standardize(self, inputs: tuple[Any, ...]) -> list[np.ndarray]:
        names = self.input_names
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
            for value, (name, kind), shape in zip(values, self._inputs, self.input_shapes, strict=True)
        ]

    def _bind_dims(self, arrays: list[np.ndarray]) -> dict[str, int]:
        dims: dict[str, int] = {}
        owner: dict[str, str] = {}
        for array, (name, kind) in zip(arrays, self._inputs, strict=True):
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

    def _results(self, out: Any, dims: dict[str, int]) -> list[np.ndarray]:
        shapes = [tuple(_size(dim, dims) for dim in kind.shape) for kind in self._outputs]
        if out is None:
            return [np.empty(shape, kind.dtype) for shape, kind in zip(shapes, self._outputs, strict=True)]
        results = list(out) if isinstance(out, (list, tuple)) else [out]
        if len(results) != len(shapes):
            raise InputError(f"the model has {len(shapes)} outputs; out holds {len(results)} arrays")
        for name, result, shape, kind in zip(self.output_names, results, shapes, self._outputs, strict=True):
            if not isinstance(result, np.ndarray) or result.dtype != np.dtype(kind.dtype):
                raise DtypeError(
                    f"out for '{name}' must be a {kind.dtype} numpy array, got {getattr(result, 'dtype', type(result))}"
                )
            if result.shape != shape:
                raise ShapeError(f"out for '{name}' must have shape {shape}, got {result.shape}")
            if not (result.flags.c_contiguous and result.flags.writeable and result.flags.aligned):
                raise ShapeError(f"out for '{name}' must be C-contiguous, aligned and writable")
        return results

    # -- the header ----------------------------------------------------------------------------------------------

    @property
    def header(self) -> str:
        """The self-contained C++ header of the model, as :meth:`save_header` writes it."""
        return export_header(lower(self._fixed(None), self._optimize), "model")[0]

    def save_header(
        self, path: str | os.PathLike[str], *, input_shapes: Sequence[Sequence[int | None]] | None = None
    ) -> Path:
        """Writes the C++ header to ``path`` and its weights beside it, as ``<stem>.dat``.

        The file's stem names the namespace, ``TMVA_SOFIE_<stem>``. Open dimensions become arguments of ``infer``,
        after the batch; ``input_shapes``, one per input with None for what stays open, fixes them. Returns the path
        of the header.

        Raises ShapeError if a dimension must be fixed and is not.
        """
        return self._fixed(input_shapes).save_header(path, optimize=self._optimize)

    def specialize(self, *input_shapes: Sequence[int | None]) -> Model:
        """The same model for inputs of these shapes, one per input with None for what stays open.

        Raises ShapeError for shapes that the inputs cannot have.
        """
        return Model(self._fixed(input_shapes), threads=self._threads, optimize=self._optimize)

    def _fixed(self, input_shapes: Sequence[Sequence[int | None]] | None) -> RModel:
        """The network with sizes for open dimensions."""
        return self._rmodel if input_shapes is None else self._rmodel.bind(sizes_of(self._rmodel.inputs, input_shapes))

    def summary(self) -> str:
        """A table of the operators with their outputs' shapes and parameters."""
        return self._rmodel.summary()

    def __repr__(self) -> str:
        def listed(names: list[str], shapes: list[tuple[int | None, ...]]) -> str:
            return ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes, strict=True))

        inputs, outputs = listed(self.input_names, self.input_shapes), listed(self.output_names, self.output_shapes)
        return f"<sofie_jit.Model '{self.name}': {inputs} -> {outputs}>"


def flops_per_row(rmodel: RModel) -> int:
    """Floating-point operations per row of the batch; at least 1."""
    total = 1
    for op in rmodel.operators:
        inputs = [rmodel.tensor_type(name) if name else None for name in op.inputs]
        total += op.flops(inputs, [rmodel.tensor_type(name) for name in op.outputs if name])
    return total


def public_shape(shape: Shape) -> tuple[int | None, ...]:
    """A shape with None for what is known only when the model runs."""
    return tuple(None if isinstance(dim, str) else dim for dim in shape)


def _is_list_of_inputs(value: Sequence[Any], count: int) -> bool:
    """Whether a single list is a list of arrays (one per input) and not one array spelled as nested lists."""
    return count != 1 or (len(value) == 1 and isinstance(value[0], np.ndarray))


def _convert(value: Any, name: str, kind: TensorType, shape: tuple[int | None, ...]) -> np.ndarray:
    """``value`` as a C-contiguous array of the input's type; raises DtypeError or ShapeError."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"input '{name}' is no rectangular array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise DtypeError(
            f"input '{name}' has element type {array.dtype}; real numbers (convertible to {kind.dtype}) are needed"
        )
    array = _fit_rank(array, shape)
    if array.ndim != len(shape) or any(d not in (None, size) for d, size in zip(shape, array.shape, strict=True)):
        raise ShapeError(f"input '{name}' has shape {array.shape}, expected {shape}{_hint(array.shape, shape)}")
    return np.require(array, np.dtype(kind.dtype), ["C", "A"])


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


def _pack(structure: Any, results: list[np.ndarray]) -> Any:
    """``results`` in the nested structure of indices that Keras would return them in."""
    if structure is None:
        return results[0] if len(results) == 1 else results
    if isinstance(structure, dict):
        return {key: _pack(part, results) for key, part in structure.items()}
    if isinstance(structure, (list, tuple)):
        return type(structure)(_pack(part, results) for part in structure)
    return results[structure]
