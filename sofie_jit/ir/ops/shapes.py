"""Functions that move elements without computing: shapes, axes, indices, borders."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir import dims
from sofie_jit.ir.dims import Dim, SymbolicDim, as_dim, format_shape, is_single, normalize_axis, product
from sofie_jit.ir.dims import static_dim as static
from sofie_jit.ir.operators import math as functions
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.sizes import Iota
from sofie_jit.ir.operators.slice import Slice
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.ir.ops.core import (
    Axes,
    TensorLike,
    apply,
    builder_of,
    cast,
    convert,
    element_type,
    floating,
    normalize_axes,
    promote,
    result_type,
    weight_of,
)
from sofie_jit.ir.ops.elementwise import add, equal, greater_equal, multiply, subtract, where
from sofie_jit.ir.requirements import Requirement, is_repeated
from sofie_jit.ir.size_arrays import SizeArrays, border_indices
from sofie_jit.ir.symbol import GraphBuilder, Symbol
from sofie_jit.ir.types import MAX_ELEMENTS, TensorType, check_table, is_integer


def reshape(x: Symbol, newshape: Any) -> Symbol:
    """``x`` in another shape; the order of the elements stays.

    ``newshape`` has sizes, names of run-time dimensions, and at most one -1 or None for the size that remains. Raises
    ShapeError if the numbers of elements differ.

    >>> ops.reshape(x, (-1, 6)).shape
    (batch, 6)
    """
    shape: list[Dim] = [-1 if n is None else n for n in ([newshape] if isinstance(newshape, int) else newshape)]
    if 0 in shape:
        raise ShapeError(f"reshape: the shape {tuple(shape)} has no elements")
    if tuple(shape) == x.shape:
        return x
    values = weight_of(x)
    return apply(Reshape(shape=tuple(shape)), x) if values is None else x.builder.constant(values.reshape(shape))


def ravel(x: Symbol) -> Symbol:
    """``x`` flattened to one axis."""
    return reshape(x, (-1,))


def expand_dims(x: Symbol, axis: int | Sequence[int]) -> Symbol:
    """``x`` with new axes of size 1; ``axis`` are their indices in the result. Raises ShapeError for a repeated one.

    >>> ops.expand_dims(x, (1, -1)).shape
    (batch, 1, 2, 3, 1)
    """
    new = [axis] if isinstance(axis, int) else list(axis)
    rank = x.rank + len(new)
    new_axes = {normalize_axis("expand_dims", a, rank) for a in new}
    if len(new_axes) < len(new):
        raise ShapeError(f"expand_dims: the axes {new} name one axis twice")
    sizes = iter(x.shape)
    return reshape(x, [1 if a in new_axes else next(sizes) for a in range(rank)])


def squeeze(x: Symbol, axis: Axes = None) -> Symbol:
    """``x`` without the axes ``axis``, by default all axes of size 1. Raises ShapeError if the size is not 1.

    Of an open size, such as ``min(n, 1)`` of ``x[:1]``, it is checked at run time that it is 1.
    """
    axes = [a for a, n in enumerate(x.shape) if is_single(n)] if axis is None else normalize_axes(x, axis)
    for a in axes:
        x = x if Requirement(x.shape[a], "==", 1).holds is False else resized(x, a, 1)
    if other := [a for a in axes if x.shape[a] != 1]:
        raise ShapeError(f"squeeze: axis {other[0]} of {format_shape(x.shape)} is not of size 1")
    return reshape(x, [n for a, n in enumerate(x.shape) if a not in axes])


def inverse(order: Sequence[int]) -> list[int]:
    """The order of axes whose transposition undoes that by ``order``."""
    return [list(order).index(axis) for axis in range(len(order))]


def transpose(x: Symbol, axes: Sequence[int] | None = None) -> Symbol:
    """``x`` with its axes reordered: axis i of the result is axis ``axes[i]`` of ``x``; by default in reverse."""
    order = (
        [normalize_axis("transpose", a, x.rank) for a in axes] if axes is not None else list(reversed(range(x.rank)))
    )
    if order == list(range(x.rank)):
        return x
    values = weight_of(x)
    if values is None:
        return apply(Transpose(perm=order), x)
    return x.builder.constant(np.ascontiguousarray(values.transpose(order)))  # once, not in every call


def swapaxes(x: Symbol, axis1: int, axis2: int) -> Symbol:
    """``x`` with two axes swapped."""
    order = list(range(x.rank))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(x, order)


def moveaxis(x: Symbol, source: int | Sequence[int], destination: int | Sequence[int]) -> Symbol:
    """``x`` with the axes ``source`` moved to the positions ``destination``; the others keep their order.

    >>> ops.moveaxis(x, -1, 1).shape
    (batch, 3, 2)
    """
    sources = [a % x.rank for a in ([source] if isinstance(source, int) else source)]
    positions = [a % x.rank for a in ([destination] if isinstance(destination, int) else destination)]
    order = [a for a in range(x.rank) if a not in sources]
    for position, axis in sorted(zip(positions, sources, strict=True)):
        order.insert(position, axis)
    return transpose(x, order)


def rearrange(tensor: Symbol, pattern: str, **axes_lengths: int) -> Symbol:
    """Axes split, merged and moved by a pattern, as ``einops.rearrange``.

    Parentheses are around axes that are one axis of the tensor; ``axes_lengths`` has all sizes but one of them. Raises
    ShapeError if the pattern does not fit the tensor.

    >>> ops.rearrange(x, "b h (w two) -> b w (two h)", two=1).shape
    (batch, 3, 2)
    """
    before, after = (
        [group.strip("()").split() for group in re.findall(r"\([^)]*\)|\S+", side)] for side in pattern.split("->")
    )
    names = [name for group in before for name in group]
    if len(before) != tensor.rank or sorted(names) != sorted(name for group in after for name in group):
        raise ShapeError(f"rearrange: '{pattern}' does not fit a tensor {format_shape(tensor.shape)}")
    sizes: dict[str, Dim] = dict(axes_lengths)
    for group, size in zip(before, tensor.shape, strict=True):
        unknown = [name for name in group if name not in sizes]
        if len(unknown) > 1:
            raise ShapeError(f"rearrange: '{pattern}' needs the sizes of all but one of {', '.join(group)}")
        known = math.prod(axes_lengths[name] for name in group if name in axes_lengths)
        if unknown:
            sizes[unknown[0]] = size // known
    split_axes = reshape(tensor, [sizes[name] for name in names])
    moved = transpose(split_axes, [names.index(name) for group in after for name in group])
    return reshape(moved, [product(*(sizes[name] for name in group)) for group in after])


def broadcast_to(x: Symbol, shape: Sequence[Any]) -> Symbol:
    """``x`` repeated to ``shape``; -1 or None stands for the size of ``x`` along that axis.

    Raises ShapeError if ``x`` does not broadcast to ``shape``, or if a size that is open would become fixed.

    >>> ops.broadcast_to(ops.reshape(x, (-1, 6, 1)), (None, 6, 4)).shape
    (batch, 6, 4)
    """
    missing = len(shape) - x.rank
    sizes = [x.shape[a - missing] if n in (None, -1) and a >= missing else n for a, n in enumerate(shape)]
    for size, n in zip(x.shape, sizes[missing:], strict=False):
        if isinstance(size, SymbolicDim) and size != n and not is_repeated(size, n):
            raise ShapeError(
                f"broadcast_to: {format_shape(x.shape)} to {format_shape(tuple(sizes))} would fix '{size}', which is "
                "open, whatever size the file has for it; broadcast to -1 or None along that axis"
            )
    return apply(Expand(shape=tuple(sizes)), x)


def tile(x: Symbol, repeats: Dim | Sequence[Dim]) -> Symbol:
    """``x`` repeated as a whole, ``repeats`` times along each axis, as ``numpy.tile``."""
    given = list(repeats) if isinstance(repeats, Sequence) else [repeats]
    counts: list[Dim] = [*[1] * (x.rank - len(given)), *given]
    x = reshape(x, (1,) * (len(counts) - x.rank) + x.shape)
    for axis, count in enumerate(counts):
        if count != 1:
            x = _repeated(x, axis, count, together=False)
    return x


def repeat(x: Symbol, repeats: int | Sequence[int], axis: int | None = None) -> Symbol:
    """Each element along ``axis`` repeated ``repeats`` times, or each its own number of times, as ``numpy.repeat``."""
    if axis is None:
        return repeat(ravel(x), repeats, 0)
    counts = [repeats] if isinstance(repeats, int) else list(repeats)
    if len(counts) == 1:
        return _repeated(x, normalize_axis("repeat", axis, x.rank), counts[0], together=True)
    size = static("repeat", x.shape, axis)
    check_table("repeat", size + sum(counts))
    return take(x, np.repeat(np.arange(size), counts), axis)


def _repeated(x: Symbol, axis: int, count: Dim, together: bool) -> Symbol:
    """``x`` repeated along ``axis``: each element (``together``), or the whole."""
    size, before, after = x.shape[axis], x.shape[:axis], x.shape[axis + 1 :]
    pair = (size, count) if together else (count, size)
    expanded = reshape(x, (*before, *((size, 1) if together else (1, size)), *after))
    return reshape(apply(Expand(shape=(*before, *pair, *after)), expanded), (*before, size * count, *after))


def flip(x: Symbol, axis: Axes = None) -> Symbol:
    """``x`` in reverse order along ``axis``: one axis, several, or None for all."""
    axes = normalize_axes(x, axis)
    starts, ends = [-1] * len(axes), [-x.shape[a] - 1 for a in axes]
    return apply(Slice(starts=starts, ends=ends, axes=axes, steps=starts), x)


def roll(x: Symbol, shift: Dim | Sequence[Dim], axis: Axes = None) -> Symbol:
    """``x`` shifted by ``shift`` along ``axis``; elements shifted beyond the end come in at the front."""
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)
    axes = [axis] if isinstance(axis, int) else list(axis)
    shifts = list(shift) if isinstance(shift, Sequence) else [shift] * len(axes)
    for a, by in zip(axes, shifts, strict=True):
        size = x.shape[a]
        if (moved := by % dims.maximum(size, 1)) != 0:
            cut = size - moved
            x = concatenate([slice_along(x, a, cut, size), slice_along(x, a, 0, cut)], a)
    return x


def rot90(array: Symbol, k: int = 1, axes: Sequence[int] = (0, 1)) -> Symbol:
    """``array`` rotated by ``k`` right angles in the plane of ``axes``, from the first towards the second."""
    first, second = (normalize_axis("rot90", axis, array.rank) for axis in axes)
    if k % 4 == 0:
        return array
    if k % 4 == 2:
        return flip(array, [first, second])
    return swapaxes(flip(array, second), first, second) if k % 4 == 1 else flip(swapaxes(array, first, second), second)


def concatenate(xs: Sequence[TensorLike], axis: int = 0) -> Symbol:
    """Tensors joined along an existing axis. Raises ShapeError if other axes differ in size."""
    tensors = promote(*xs)
    return tensors[0] if len(tensors) == 1 else apply(Concat(axis=axis), *tensors)


def stack(x: Sequence[TensorLike], axis: int = 0) -> Symbol:
    """Tensors of one shape joined along a new axis."""
    tensors = promote(*x)
    return concatenate([expand_dims(tensor, axis) for tensor in tensors], axis)


def slice_along(x: Symbol, axis: int, start: Dim, end: Dim, step: int = 1) -> Symbol:
    """The elements of ``x`` from ``start`` (included) to ``end`` (excluded) along ``axis``."""
    return apply(Slice(starts=[start], ends=[end], axes=[axis], steps=[step]), x)


def cut(x: Symbol, axes: Sequence[int], borders: Sequence[tuple[Dim, Dim]]) -> Symbol:
    """``x`` without the borders of ``axes``: a number of elements at the beginning of each, and one at its end.

    If an axis has an open size, it is checked at run time that it has as many elements.

    >>> ops.cut(x, [1, 2], [(0, 1), (1, 1)]).shape
    (batch, 1, 1)
    """
    sizes = [x.shape[axis] for axis in axes]
    befores, afters = [before for before, _ in borders], [after for _, after in borders]
    if all(isinstance(size, int) for size in (*sizes, *befores, *afters)):
        ends = [size - after for size, after in zip(sizes, afters, strict=True)]
        return apply(Slice(starts=befores, ends=ends, axes=list(axes)), x)
    return apply(Pad(pads=[-border for border in (*befores, *afters)], axes=list(axes)), x)


MAX_PARTS = 1024
"""Maximum number of tensors that one function creates: each is a statement of the generated code."""


def resized(x: Symbol, axis: int, size: Dim) -> Symbol:
    """``x``, of which it is checked at run time that ``axis`` has this ``size``."""
    return x if size == x.shape[axis] else apply(Reshape(shape=(*x.shape[:axis], size, *x.shape[axis + 1 :])), x)


def check_parts(function: str, parts: int) -> None:
    """Raises ShapeError if a function would create more than MAX_PARTS tensors."""
    if parts > MAX_PARTS:
        raise ShapeError(f"{function} would create {parts:,} tensors; the maximum is {MAX_PARTS:,}")


def split(x: Symbol, indices_or_sections: Any, axis: int = 0) -> tuple[Symbol, ...]:
    """Parts of ``x`` along ``axis``: a number of equal parts, or the parts between a list of indices.

    Raises ShapeError if the axis is not divisible into equal parts, or if there are more than 1024 parts.

    >>> [part.shape for part in ops.split(x, [1], axis=2)]
    [(batch, 2, 1), (batch, 2, 2)]
    """
    axis = normalize_axis("split", axis, x.rank)
    size = x.shape[axis]
    if isinstance(indices_or_sections, int):
        if indices_or_sections < 1 or Requirement(size % indices_or_sections, "==", 0).holds is False:
            raise ShapeError(
                f"split: axis {axis} of {format_shape(x.shape)} cannot be split into {indices_or_sections} equal parts"
            )
        check_parts("split", indices_or_sections)
        part = size // indices_or_sections
        x = resized(x, axis, part * indices_or_sections)
        bounds = [part * index for index in range(1, indices_or_sections)]
    else:
        check_parts("split", len(indices_or_sections) + 1)
        bounds = list(map(as_dim, indices_or_sections))
    return tuple(slice_along(x, axis, a, b) for a, b in zip([0, *bounds], [*bounds, size], strict=True))


def array_split(x: Symbol, indices_or_sections: Any, axis: int = 0) -> tuple[Symbol, ...]:
    """As :func:`split`, but the size need not be divisible: the first parts may be larger by one."""
    if not isinstance(indices_or_sections, int):
        return split(x, indices_or_sections, axis)
    size = x.shape[normalize_axis("array_split", axis, x.rank)]
    if indices_or_sections < 1:
        raise ShapeError(f"array_split: a tensor cannot be split into {indices_or_sections} parts")
    check_parts("array_split", indices_or_sections)
    part, larger = size // indices_or_sections, size % indices_or_sections
    return split(x, [part * i + dims.minimum(i, larger) for i in range(1, indices_or_sections)], axis)


def unstack(x: Symbol, num: int | None = None, axis: int = 0) -> tuple[Symbol, ...]:
    """The slices of ``x`` along ``axis``, without that axis. Raises ShapeError for more than 1024 of them.

    Of an open size it is checked at run time that it is ``num``, which must be given then.
    """
    if num is not None and isinstance(x.shape[normalize_axis("unstack", axis, x.rank)], SymbolicDim):
        x = resized(x, normalize_axis("unstack", axis, x.rank), num)
    size = static("unstack", x.shape, normalize_axis("unstack", axis, x.rank))
    check_parts("unstack", size)
    return tuple(squeeze(slice_along(x, axis, i, i + 1), axis) for i in range(size))


def getitem(x: Symbol, key: Any) -> Symbol:
    """``x[key]``: integers, slices, Ellipsis, None, and at most one array or Symbol of integers.

    Raises ShapeError for keys that do not fit.

    >>> x[:, None, -1, ::2].shape
    (batch, 1, 2)
    """
    shape: list[Dim] = []
    slices: list[tuple[int, Dim, Dim, int]] = []
    picked: list[tuple[int, int]] = []
    gathered: tuple[int, Any] | None = None
    axis = 0
    for part in _full_key(x, key):
        if part is None:
            shape.append(1)
            continue
        if isinstance(part, slice) and _is_whole(part):
            shape.append(x.shape[axis])
        elif isinstance(part, slice):
            slices.append((axis, *_full_slice(part)))
            shape.append(_sliced(x, slices[-1]).shape[axis])
        elif isinstance(part, (int, np.integer)) and not isinstance(part, bool):
            size = x.shape[axis]
            if not isinstance(size, int):
                picked.append((axis, int(part)))
            elif not -size <= part < size:
                raise ShapeError(f"index {part} is out of range for axis {axis} of {format_shape(x.shape)}")
            else:
                slices.append((axis, int(part) % size, int(part) % size + 1, 1))
        elif isinstance(part, (Symbol, np.ndarray)) and gathered is None and is_integer(str(part.dtype)):
            gathered = (len(shape), part)
            shape.append(x.shape[axis])
        else:
            raise ShapeError(f"an index of type {type(part).__name__} ({part!r:.60}) is not supported")
        axis += 1
    if slices:
        axes, starts, ends, steps = (list(values) for values in zip(*slices, strict=True))
        x = apply(Slice(starts=starts, ends=ends, axes=axes, steps=steps), x)
    for axis, part in picked:
        x = take(x, [part], axis)
    x = reshape(x, shape)
    return take(x, gathered[1], gathered[0]) if gathered else x


def _full_slice(part: slice) -> tuple[Dim, Dim, int]:
    """Start, end and step of a slice; an end that is left out is beyond the end of any axis."""
    step = 1 if part.step is None else operator.index(part.step)
    start, end = (0, MAX_ELEMENTS) if step > 0 else (-1, -MAX_ELEMENTS)
    return start if part.start is None else as_dim(part.start), end if part.stop is None else as_dim(part.stop), step


def _sliced(x: Symbol, part: tuple[int, Dim, Dim, int]) -> TensorType:
    """The type of a part of ``x``: axis, start, end and step."""
    axis, start, end, step = part
    return Slice(starts=[start], ends=[end], axes=[axis], steps=[step]).infer(x.type)


def _full_key(x: Symbol, key: Any) -> list[Any]:
    """The parts of an index, with slices for the axes that Ellipsis stands for or that are left out."""
    parts = list(key) if isinstance(key, (tuple, list)) else [key]
    axes = len([part for part in parts if part is not None and part is not Ellipsis])
    ellipses = [i for i, part in enumerate(parts) if part is Ellipsis]
    if axes > x.rank or len(ellipses) > 1:
        raise ShapeError(f"an index of {axes} axes does not fit a tensor {format_shape(x.shape)}")
    at = ellipses[0] if ellipses else len(parts)
    parts[at : at + 1] = [slice(None)] * (x.rank - axes)
    return parts


def _is_whole(part: slice) -> bool:
    return part.start in (None, 0) and part.stop is None and part.step in (None, 1)


def pad(x: Symbol, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Symbol:
    """``x`` with a border, as ``numpy.pad``.

    ``pad_width`` is a pair (before, after) per axis, one pair for all axes, or one number. ``mode`` is "constant", with
    the number ``constant_values`` (default 0), "reflect" or "symmetric". Raises ShapeError for other modes.

    >>> ops.pad(x, ((0, 0), (1, 1), (0, 2))).shape
    (batch, 4, 5)
    """
    pairs = np.broadcast_to(np.asarray(pad_width), (x.rank, 2)).tolist()
    if mode == "constant":
        value = 0 if constant_values is None else constant_values
        if isinstance(value, Symbol) or np.ndim(value):
            raise ShapeError(f"pad: constant_values must be one number, got {value!r:.60}")
        return apply(Pad(pads=[p[0] for p in pairs] + [p[1] for p in pairs], constant_value=value), x)
    if mode not in ("reflect", "symmetric"):
        raise ShapeError(f"pad: mode {mode!r} is not supported; expected 'constant', 'reflect' or 'symmetric'")
    for axis, (before, after) in enumerate(pairs):
        if before != 0 or after != 0:
            x = take(x, border_indices(x.builder, x.shape[axis], before, after, mode), axis)
    return x


def take(x: TensorLike, indices: TensorLike, axis: int | None = None) -> Symbol:
    """The elements of ``x`` at ``indices`` along ``axis``, or of the flattened ``x``.

    Negative indices count from the end. The axes of ``indices`` take the place of ``axis``. An index out of range makes
    ``infer`` raise OutOfRangeError.

    >>> ops.take(x, [2, 0], axis=2).shape
    (batch, 2, 2)
    """
    builder = builder_of(x, indices)
    data = x if isinstance(x, Symbol) else convert(x, result_type(x, builder=builder), builder)
    if axis is None:
        return take(ravel(data), indices, 0)
    at = indices if isinstance(indices, Symbol) else convert(np.asarray(indices), "int64", builder)
    return apply(Gather(axis=axis), data, at)


def take_along_axis(x: Symbol, indices: TensorLike, axis: int | None = None) -> Symbol:
    """The elements of ``x`` along ``axis`` at ``indices``, which have one index for each element of the result."""
    if axis is None:
        return take_along_axis(ravel(x), ravel(indices), 0)
    at = indices if isinstance(indices, Symbol) else convert(np.asarray(indices), "int64", x.builder)
    along = normalize_axis("take_along_axis", axis, x.rank)
    shape = tuple(n if a != along else at.shape[a] for a, n in enumerate(x.shape))
    at = at if at.shape == shape else apply(Expand(shape=shape), at)
    return apply(functions.GatherElements(axis=axis), x, at)


def diagonal(x: Symbol, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Symbol:
    """The elements whose index along ``axis2`` is that along ``axis1`` plus ``offset``, along a new last axis."""
    moved = moveaxis(x, [axis1, axis2], [-2, -1])
    rows, columns = moved.shape[-2:]
    first = max(-offset, 0)
    count = dims.maximum(dims.minimum(rows - first, columns - max(offset, 0)), 0)
    a = SizeArrays(x.builder, rows, columns)
    places = a.arange(count, first) * a.number(columns + 1, "int64") + a.number(offset, "int64")
    return take(reshape(moved, (*moved.shape[:-2], rows * columns)), places, -1)


def extract_sequences(x: Symbol, sequence_length: int, sequence_stride: int) -> Symbol:
    """Overlapping windows of ``x`` along its last axis, as rows: (..., windows, ``sequence_length``)."""
    count = dims.maximum((x.shape[-1] - sequence_length) // sequence_stride + 1, 0)
    check_table("extract_sequences", *(n for n in (count, sequence_length) if isinstance(n, int)))
    a = SizeArrays(x.builder, count)
    starts = a.arange(count) * a.number(sequence_stride, "int64")
    return take(x, a.expand_dims(starts, 1) + a.arange(sequence_length), -1)


def slice_update(inputs: Symbol, start_indices: Symbol | Sequence[int], updates: Symbol) -> Symbol:
    """``inputs`` with the block that begins at ``start_indices``, which are constant, replaced by ``updates``."""
    if isinstance(start_indices, Symbol) or not all(isinstance(start, int) for start in start_indices):
        raise ShapeError("slice_update at computed indices is not supported; start_indices must be constant")
    for axis in reversed(range(inputs.rank)):
        start, size, part = start_indices[axis], inputs.shape[axis], updates.shape[axis]
        if part == size:
            continue
        size, part = static("slice_update", inputs.shape, axis), static("slice_update", updates.shape, axis)
        around = inputs
        for before in range(axis):  # the axes before are cut to the block
            if updates.shape[before] != inputs.shape[before]:
                first = start_indices[before]
                around = slice_along(around, before, first, first + static("slice_update", updates.shape, before))
        parts = [(0, start), None, (start + part, size)]
        pieces = [updates if p is None else slice_along(around, axis, *p) for p in parts if p is None or p[0] < p[1]]
        updates = concatenate(pieces, axis)
    return cast(updates, inputs.dtype)


def one_hot(x: Symbol, num_classes: Dim, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Symbol:
    """1 at the index given by ``x`` along a new ``axis`` of size ``num_classes``, 0 elsewhere; float32 by default.

    >>> ops.one_hot(n, 5)
    <Symbol 'cast' float32 (batch, 4, 5)>
    """
    if sparse:
        raise DtypeError("one_hot: sparse tensors are not supported; pass sparse=False")
    along = normalize_axis("one_hot", axis, x.rank + 1)
    shape = [num_classes if a == along else 1 for a in range(x.rank + 1)]
    whole = x if is_integer(x.dtype) else cast(x, "int32")
    if isinstance(num_classes, SymbolicDim):
        classes: TensorLike = cast(reshape(x.builder.add(Iota(size=num_classes)), shape), whole.dtype)
    else:
        check_table("one_hot", num_classes)
        classes = np.arange(num_classes).reshape(shape).astype(whole.dtype)
    hot = equal(expand_dims(whole, along), classes)
    return cast(hot, dtype or "float32")


def linspace(start: TensorLike, stop: TensorLike, num: int = 50, endpoint: bool = True, axis: int = 0) -> Symbol:
    """``num`` evenly spaced numbers along a new axis, from ``start`` to ``stop``, which only ``endpoint`` includes."""
    a, b = promote(start, stop, dtype=floating(start, stop))
    axis = normalize_axis("linspace", axis, max(a.rank, b.rank) + 1)
    check_table("linspace", num)
    steps = np.linspace(0, 1, num, endpoint).reshape([-1] + [1] * (max(a.rank, b.rank) - axis)).astype(a.dtype)
    first = expand_dims(a, axis)
    return add(first, multiply(expand_dims(subtract(b, a), axis), steps))


def full_like(x: Symbol, fill_value: TensorLike, dtype: Any = None) -> Symbol:
    """A tensor of the shape of ``x`` filled with ``fill_value``; of the dtype of ``x`` unless ``dtype`` is given."""
    value = convert(fill_value, element_type(dtype or x.dtype), x.builder)
    return apply(Expand(shape=x.shape), value)


def zeros_like(x: Symbol, dtype: Any = None) -> Symbol:
    """A tensor of the shape of ``x`` filled with 0."""
    return full_like(x, 0, dtype)


def ones_like(x: Symbol, dtype: Any = None) -> Symbol:
    """A tensor of the shape of ``x`` filled with 1."""
    return full_like(x, 1, dtype)


def triangle(x: Symbol, k: int, lower: bool) -> Symbol:
    """The lower (or upper) triangle of the last two axes of ``x``, with 0 above (below) the k-th diagonal."""
    rows, columns = x.shape[-2:]
    if lower:
        return where(lower_triangle(x.builder, rows, columns, k), x, 0)
    return where(lower_triangle(x.builder, rows, columns, k - 1), 0, x)


def lower_triangle(builder: GraphBuilder, rows: Dim, columns: Dim, k: int = 0) -> Symbol:
    """A matrix of booleans, True up to the k-th diagonal."""
    if isinstance(rows, int) and isinstance(columns, int):
        check_table("a triangle", rows, columns)
        return builder.constant(np.tri(rows, columns, k, dtype=bool))
    row, column = (builder.add(Iota(size=size, start=start)) for size, start in ((rows, k), (columns, 0)))
    return greater_equal(expand_dims(row, 1), column)


def kron(x1: TensorLike, x2: TensorLike) -> Symbol:
    """The Kronecker product: blocks of ``x2``, each multiplied by one element of ``x1``."""
    a, b = promote(x1, x2)
    rank = max(a.rank, b.rank)
    first, second = ((1,) * (rank - x.rank) + x.shape for x in (a, b))
    outer = multiply(
        reshape(a, [n for size in first for n in (size, 1)]), reshape(b, [n for size in second for n in (1, size)])
    )
    return reshape(outer, [product(m, n) for m, n in zip(first, second, strict=True)])


def diff(a: Symbol, n: int = 1, axis: int = -1) -> Symbol:
    """The ``n``-th differences of neighboring elements along ``axis``."""
    check_parts("diff", n)
    for _ in range(n):
        size = a.shape[axis]
        a = subtract(slice_along(a, axis, 1, size), slice_along(a, axis, 0, size - 1))
    return a
