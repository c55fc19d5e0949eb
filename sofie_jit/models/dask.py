"""Models on dask arrays: in chunks, lazily, on one machine or on many.

>>> import dask.array as da, sofie_jit.dask
>>> y = sofie_jit.dask.infer(model, da.from_zarr("events.zarr"))      # nothing is computed yet
>>> y[:, 0].mean().compute()

Needs dask: ``pip install "sofie_jit[dask]"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.codegen.memory import can_tile
from sofie_jit.errors import InputError, MissingDependencyError, ShapeError
from sofie_jit.models.arguments import pack, unpack
from sofie_jit.models.model import Model


def infer(model: Model, *inputs: Any) -> Any:
    """``model.infer`` on dask arrays, which stay in chunks of rows and are computed when you ask for them.

    ``inputs``: dask arrays (or what ``dask.array.asarray`` takes), given as to :meth:`Model.infer`: one per input, one
    list, or one dict by name. They may be chunked along every axis and differently, and the sizes of chunks may be
    unknown (NaN); a chunk of the result is made of whole rows. Workers get the model once each, and compile it once per
    process. Every chunk is computed on one thread, for dask itself computes several at a time.

    Returns lazy dask arrays in the structure that ``infer`` returns arrays in.

    Raises MissingDependencyError without dask, InputError for wrong inputs or a model whose rows depend on each other,
    ShapeError for shapes that do not fit. What is wrong with the data itself is raised when it is computed.
    """
    try:
        import dask
        import dask.array as da
    except ImportError as error:
        raise MissingDependencyError(f'dask cannot be imported ({error}): pip install "sofie_jit[dask]"') from error
    if model.rmodel.states or not can_tile(model.rmodel):
        raise InputError(
            f"the answers of model '{model.name}' to the rows of a batch depend on each other, or its batch is fixed, "
            "so that chunks cannot be computed by themselves"
        )
    arrays = [da.asarray(array) for array in _ordered(model, inputs)]
    for name, shape, array in zip(model.input_names, model.input_shapes, arrays, strict=True):
        if len(shape) != array.ndim or any(
            found != size and not np.isnan(found) for size, found in zip(shape, array.shape, strict=True) if size
        ):
            raise ShapeError(f"input '{name}': expected shape {shape}, got {array.shape}")
    rows = arrays[0].chunks[0]
    blocks = [_blocks(name, array, rows) for name, array in zip(model.input_names, arrays, strict=True)]

    shared = dask.delayed(model)  # one node of the graph, so that a worker gets it once
    evaluate = dask.delayed(_evaluate, nout=len(model.output_names))
    parts = [evaluate(shared, *given) for given in zip(*blocks, strict=True)]
    results = []
    for index, (shape, dtype) in enumerate(zip(model.output_shapes, model.output_dtypes, strict=True)):
        rest = tuple(np.nan if size is None else size for size in shape[1:])
        chunks = [da.from_delayed(part[index], (n, *rest), dtype) for part, n in zip(parts, rows, strict=True)]
        results.append(da.concatenate(chunks, allow_unknown_chunksizes=True))
    return pack(model.rmodel.output_structure, results)


def _ordered(model: Model, inputs: tuple[Any, ...]) -> list[Any]:
    """The arrays in the order of the model's inputs."""
    names = model.input_names
    given = inputs[0] if len(inputs) == 1 and isinstance(inputs[0], (Mapping, list, tuple)) else inputs
    if isinstance(given, Mapping):
        if set(given) != set(names):
            raise InputError(f"expected inputs {', '.join(names)}, got {', '.join(map(str, given)) or 'none'}")
        return [given[name] for name in names]
    if len(given) != len(names):
        raise InputError(f"expected {len(names)} inputs ({', '.join(names)}), got {len(given)}")
    return list(given)


def _blocks(name: str, array: Any, rows: tuple[float, ...]) -> list[Any]:
    """The chunks of ``rows`` as delayed arrays."""
    known = not np.isnan([*rows, *array.chunks[0]]).any()
    if known and sum(rows) != array.shape[0]:
        raise ShapeError(f"input '{name}' has {array.shape[0]} rows, the first input {sum(rows)}")
    if not known and len(rows) != len(array.chunks[0]):
        raise ShapeError(f"input '{name}' has {len(array.chunks[0])} chunks of rows, the first input {len(rows)}")
    whole = {axis: -1 for axis in range(1, array.ndim) if array.numblocks[axis] > 1}
    array = array.rechunk({0: rows, **whole} if known else whole)
    return list(array.to_delayed().ravel())


def _evaluate(model: Model, *arrays: np.ndarray) -> list[np.ndarray]:
    """The outputs for one chunk, in their order."""
    return unpack(model.rmodel.output_structure, model.infer(*arrays, threads=1))
