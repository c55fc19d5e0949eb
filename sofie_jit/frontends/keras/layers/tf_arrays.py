"""TensorFlow's functions that make, move, select and order elements, with TensorFlow's arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.keras.layers import tf_shapes
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import SymbolicDim, product
from sofie_jit.ir.types import check_table


def ints(value: Any) -> Any:
    """Constant axes, sizes or indices as Python integers. Raises UnsupportedLayerError if they are computed."""
    if isinstance(value, tf_shapes.SymbolicShape):
        return value.plain()
    if isinstance(value, Symbol):
        raise UnsupportedLayerError("an axis or a shape is computed by the model; it must be constant")
    return np.asarray(value).astype(int).tolist()


def _array(value: Any) -> Any:
    """A constant, which is a nested list in a file, as an array of Keras's element type."""
    if not isinstance(value, list):
        return value
    array = np.asarray(value)
    return array.astype({"f": "float32", "i": "int32"}.get(array.dtype.kind, array.dtype))


def split(value: Symbol, num_or_size_splits: Any, axis: int = 0, num: int | None = None) -> Any:
    """``tf.split``, into equal parts or parts of given sizes."""
    if isinstance(num_or_size_splits, int):
        return ops.split(value, num_or_size_splits, axis)
    return ops.split(value, np.cumsum(num_or_size_splits)[:-1], axis)


def gather(params: Any, indices: Any, axis: int | None = None, batch_dims: int = 0) -> Symbol:
    """``tf.gather``, also with a list of indices per row. Raises UnsupportedLayerError for other axes of indices."""
    if not batch_dims:
        return ops.take(_array(params), _array(indices), axis or 0)
    if axis not in (None, batch_dims) or indices.rank != batch_dims + 1:
        raise UnsupportedLayerError(
            f"a gather with {batch_dims=}, {axis=} and indices of {indices.rank} axes is not supported; expected the "
            "axis after those of the batch, with one list of indices for each row"
        )
    aligned = ops.reshape(indices, (*indices.shape, *(1,) * (params.rank - indices.rank)))
    return ops.take_along_axis(params, aligned, batch_dims)


def _gather_nd(params: Symbol, indices: Symbol, batch_dims: int = 0, bad_indices_policy: str = "") -> Symbol:
    if batch_dims == 0 or indices.shape[-1] != 1:
        raise UnsupportedLayerError(f"gather_nd with indices {indices.shape} and {batch_dims=} is not supported")
    if indices.rank == batch_dims + 1:
        return ops.squeeze(gather(params, indices, batch_dims, batch_dims), batch_dims)
    return gather(params, ops.squeeze(indices, -1), batch_dims, batch_dims)


def one_hot(
    indices: Symbol, depth: int, on_value: Any = None, off_value: Any = None, axis: int | None = None, dtype: Any = None
) -> Symbol:
    """``tf.one_hot``, with any two values."""
    hot = ops.one_hot(indices, depth, -1 if axis is None else axis, "bool")
    if on_value is None and off_value is None:
        return ops.cast(hot, dtype or "float32")
    chosen = ops.where(hot, 1 if on_value is None else on_value, 0 if off_value is None else off_value)
    return ops.cast(chosen, dtype or chosen.dtype)


def _pad(tensor: Symbol, paddings: Any, mode: str = "CONSTANT", constant_values: float = 0) -> Symbol:
    return ops.pad(tensor, paddings, mode.lower(), constant_values if mode.upper() == "CONSTANT" else None)


def _getitem(tensor: Symbol, slice_spec: Any) -> Symbol:
    def part(spec: Any) -> Any:
        if isinstance(spec, Mapping) and set(spec) <= {"start", "stop", "step"}:
            if any(isinstance(limit, Symbol) for limit in spec.values()):
                raise UnsupportedLayerError("a limit of a slice is computed by the model; it must be constant")
            return slice(spec.get("start"), spec.get("stop"), spec.get("step"))
        return spec

    return ops.getitem(
        tensor, [part(spec) for spec in slice_spec] if isinstance(slice_spec, list) else part(slice_spec)
    )


def _sort(values: Symbol, axis: int = -1, direction: str = "ASCENDING") -> Symbol:
    return ops.sort(values, axis) if direction == "ASCENDING" else -ops.sort(-values, axis)


def _argsort(values: Symbol, axis: int = -1, direction: str = "ASCENDING", stable: bool = False) -> Symbol:
    return ops.argsort(values if direction == "ASCENDING" else -values, axis)


def strided_slice(attr: Mapping[str, Any], x: Symbol, begin: Any, end: Any, strides: Any) -> Symbol:
    """TensorFlow's StridedSlice; bit masks in ``attr`` say what each element of the bounds means."""
    masks = {key: int(attr.get(f"{key}_mask", 0)) for key in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    key: list[Any] = []
    for i, (first, last, step) in enumerate(zip(ints(begin), ints(end), ints(strides), strict=True)):
        on = {name for name, mask in masks.items() if mask >> i & 1}
        if "ellipsis" in on:
            key.append(Ellipsis)
        elif "new_axis" in on:
            key.append(None)
        elif "shrink_axis" in on:
            key.append(first)
        else:
            key.append(slice(None if "begin" in on else first, None if "end" in on else last, step))
    return x[key] if isinstance(x, tf_shapes.SymbolicShape) else ops.getitem(x, key)


def _strides(
    input_: Symbol, begin: Any, end: Any, strides: Any = None, begin_mask: int = 0, end_mask: int = 0,
    ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0, var: Any = None,
) -> Symbol:  # fmt: skip
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
             "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}  # fmt: skip
    return strided_slice(masks, input_, begin, end, [1] * len(begin) if strides is None else strides)


def _sequence_mask(lengths: Symbol, maxlen: int | None = None, dtype: Any = "bool") -> Symbol:
    if not isinstance(maxlen, int):
        raise UnsupportedLayerError(
            "a sequence_mask as long as the longest sequence of a batch is not supported; pass maxlen"
        )
    check_table("sequence_mask", maxlen)
    return ops.cast(ops.greater(ops.expand_dims(lengths, -1), np.arange(maxlen, dtype=lengths.dtype)), dtype)


def _tensor(call: LayerCall, value: Any) -> Symbol:
    return value if isinstance(value, Symbol) else call.constant(np.asarray(_array(value)), "value")


def _filled(call: LayerCall, shape: Any, value: Any, dtype: Any) -> Symbol:
    one = call.constant(np.full((1,) * len(shape), value, ops.element_type(dtype)), "value")
    return ops.broadcast_to(one, shape)


def _tile(call: LayerCall, input: Any, multiples: Any) -> Symbol:
    """``tf.tile``; a constant with a first axis of size 1 may be repeated for each row of the batch."""
    x = _tensor(call, input)
    x = ops.tile(x, [1 if isinstance(n, SymbolicDim) else n for n in multiples])
    named = [n if isinstance(n, SymbolicDim) else size for n, size in zip(multiples, x.shape, strict=True)]
    return x if tuple(named) == x.shape else ops.broadcast_to(x, named)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "__operators__.getitem": _getitem,
    "slice": lambda input_, begin, size: ops.getitem(
        input_, [slice(b, None if n == -1 else b + n) for b, n in zip(begin, size, strict=True)]
    ),
    "dtypes.saturate_cast": lambda value, dtype: ops.saturate_cast(value, dtype),
    "sequence_mask": _sequence_mask,
    "ensure_shape": lambda x, shape: x,
    "nn.embedding_lookup": lambda params, ids, partition_strategy="mod", max_norm=None: gather(params, ids, 0),
    "sort": _sort,
    "argsort": _argsort,
    "cast": lambda x, dtype: ops.cast(x, dtype),
    "identity": lambda input: input,
    "stop_gradient": lambda input: input,
    "convert_to_tensor": lambda value, dtype=None, dtype_hint=None: ops.convert_to_tensor(value, dtype),
    "zeros_like": lambda input, dtype=None: ops.zeros_like(input, dtype),
    "ones_like": lambda input, dtype=None: ops.ones_like(input, dtype),
    "where": lambda condition, x, y: ops.where(condition, x, y),
    "concat": lambda values, axis: ops.concatenate(values, axis),
    "stack": lambda values, axis=0: ops.stack([values] if isinstance(values, Symbol) else values, axis),
    "unstack": lambda value, num=None, axis=0: ops.unstack(value, num, axis),
    "split": split,
    "reshape": lambda tensor, shape: ops.reshape(tensor, shape),
    "keras.backend.batch_flatten": lambda x: ops.reshape(x, (x.shape[0], product(*x.shape[1:]))),
    "transpose": lambda a, perm=None, conjugate=False: ops.transpose(a, perm),
    "expand_dims": lambda input, axis: ops.expand_dims(input, axis),
    "squeeze": lambda input, axis=None: ops.squeeze(input, axis or None),
    "repeat": lambda input, repeats, axis=None: ops.repeat(input, repeats, axis),
    "reverse": lambda tensor, axis: ops.flip(tensor, axis),
    "roll": lambda input, shift, axis: ops.roll(input, shift, axis),
    "pad": _pad,
    "gather": gather,
    "gather_nd": _gather_nd,
    "strided_slice": _strides,
    "one_hot": one_hot,
}
"""Name in TensorFlow -> a function with TensorFlow's arguments."""


LAYERS: dict[str, Callable[..., Symbol]] = {
    "zeros": lambda call, shape, dtype="float32", layout=None: _filled(call, shape, 0, dtype),
    "ones": lambda call, shape, dtype="float32", layout=None: _filled(call, shape, 1, dtype),
    "fill": lambda call, dims, value: _filled(call, dims, value, _array([value]).dtype),
    "tile": _tile,
    "broadcast_to": lambda call, input, shape: ops.broadcast_to(_tensor(call, input), shape),
}
"""Name in TensorFlow -> a function of the layer's call and TensorFlow's arguments."""
