"""Models on dask arrays: chunk by chunk and lazily, on one machine or on many.

Needs dask: ``pip install "dask[array]" distributed``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.codegen.memory import can_tile
from sofie_jit.errors import InputError, MissingDependencyError, ShapeError
from sofie_jit.models.arguments import pack, unpack
from sofie_jit.models.model import Model, loaded


def infer(model: Model, *inputs: Any) -> Any:
    """Evaluates a model on dask arrays, lazily: only ``compute`` of the result starts the computation.

    ``model``: a model whose rows are independent of each other.
    ``inputs``: dask arrays, or array-likes that ``dask.array.asarray`` takes: one per input, one list, or one dict by
    input name. Data frames are matched by the names of their columns if the model knows them (:attr:`Model.columns`),
    else their columns are taken in order. Arrays may be chunked along every axis, and each in its own way. Sizes of
    chunks may be unknown (NaN). A chunk of the result consists of whole rows.

    Returns lazy dask arrays in the structure of :meth:`Model.infer`. Each worker gets the model once, and each process
    compiles it once. A chunk is computed on one thread, because dask computes several chunks at a time.

    Raises MissingDependencyError without dask, InputError for wrong inputs, a file in place of a model, or a model
    whose rows depend on each other, and ShapeError for wrong shapes or different numbers of rows. Errors in the data
    itself are raised when the result is computed.

    >>> import dask.array
    >>> import sofie_jit
    >>> import sofie_jit.dask
    >>> from sofie_jit.demo import MODEL_FILE, load_digits
    >>> model = sofie_jit.load(MODEL_FILE)
    >>> images = dask.array.from_array(load_digits().images, chunks=(25, 8, 8, 1))
    >>> probability = sofie_jit.dask.infer(model, images)
    >>> probability.chunks
    ((25, 25, 25, 25), (10,))
    >>> probability[:5].argmax(axis=1).compute()
    array([8, 5, 4, 6, 8])
    """
    try:
        import dask
        import dask.array as da
    except ImportError as error:
        how = 'pip install "dask[array]" distributed'
        raise MissingDependencyError(f"dask cannot be imported ({error}): {how}") from error
    if loaded(model).rmodel.states or not can_tile(model.rmodel):
        raise InputError(
            f"the results of model '{model.name}' for the rows of a batch depend on each other, or its batch size is "
            "fixed, so that chunks cannot be computed separately"
        )
    arrays = [da.asarray(array) for array in _ordered(model, inputs)]
    for name, shape, array in zip(model.input_names, model.input_shapes, arrays, strict=True):
        if len(shape) != array.ndim or any(
            found != size and not np.isnan(found) for size, found in zip(shape, array.shape, strict=True) if size
        ):
            raise ShapeError(f"input '{name}': expected shape {shape}, got {array.shape}")
    rows = arrays[0].chunks[0]
    blocks = [_blocks(name, array, rows) for name, array in zip(model.input_names, arrays, strict=True)]

    shared = dask.delayed(model)  # one node of dask's graph, so that a worker gets it once
    evaluate = dask.delayed(_evaluate, nout=len(model.output_names))
    parts = [evaluate(shared, *given) for given in zip(*blocks, strict=True)]
    results = []
    for index, (shape, dtype) in enumerate(zip(model.output_shapes, model.output_dtypes, strict=True)):
        row = tuple(np.nan if size is None else size for size in shape[1:])
        chunks = [da.from_delayed(part[index], (n, *row), dtype) for part, n in zip(parts, rows, strict=True)]
        results.append(da.concatenate(chunks, allow_unknown_chunksizes=True))
    return pack(model.output_structure, results)


def _ordered(model: Model, inputs: tuple[Any, ...]) -> list[Any]:
    """The arrays in the order of the model's inputs."""
    listed = not (len(inputs) == 1 and isinstance(inputs[0], (Mapping, list, tuple)))
    given = model._arguments.known_arranged(list(inputs) if listed else inputs[0])
    return model._arguments.ordered(given, listed=isinstance(given, (list, tuple)))


def _blocks(name: str, array: Any, rows: tuple[float, ...]) -> list[Any]:
    """An input as delayed arrays with these numbers of ``rows``."""
    known = not np.isnan([*rows, *array.chunks[0]]).any()
    if known and sum(rows) != array.shape[0]:
        raise ShapeError(f"input '{name}' has {array.shape[0]} rows, the first input {sum(rows)}")
    if not known and len(rows) != len(array.chunks[0]):
        raise ShapeError(f"input '{name}' has {len(array.chunks[0])} chunks of rows, the first input {len(rows)}")
    whole = {axis: -1 for axis in range(1, array.ndim) if array.numblocks[axis] > 1}
    array = array.rechunk({0: rows, **whole} if known else whole)
    return list(array.to_delayed().ravel())


def _evaluate(model: Model, *arrays: np.ndarray) -> list[np.ndarray]:
    """The outputs for one chunk, in order."""
    model._arguments.refuse_unequal_rows(arrays)
    return unpack(model.output_structure, model.infer(*arrays, threads=1))
