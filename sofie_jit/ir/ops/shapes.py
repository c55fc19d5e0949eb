"""Shapes, places and indices: what moves numbers and computes none."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators import math as functions
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.operator import Dim, check_table, format_shape, normalize_axis, product
from sofie_jit.ir.operators.operator import static_dim as static
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.slice import Slice
from sofie_jit.ir.operators.transpose import Transpose
from sofie_jit.ir.ops.core import (
    Axes,
    Value,
    apply,
    axes_of,
    builder_of,
    cast,
    convert,
    element_type,
    floating,
    promote,
    result_type,
    weight_of,
)
from sofie_jit.ir.ops.elementwise import add, equal, multiply, subtract, where


def reshape(x: Symbol, newshape: Any) -> Symbol:
    """``x`` under another shape; -1 or None stands for what remains, a name for a run-time dimension."""
    shape: list[Dim] = [-1 if n is None else n for n in ([newshape] if isinstance(newshape, int) else newshape)]
    if 0 in shape:
        raise ShapeError(f"reshape: the shape {tuple(shape)} has no elements")
    if tuple(shape) == x.shape:
        return x
    values = weight_of(x)
    return apply(Reshape(shape=tuple(shape)), x) if values is None else x.builder.constant(values.reshape(shape))


def ravel(x: Symbol) -> Symbol:
    """All elements in one axis."""
    return reshape(x, (-1,))


def expand_dims(x: Symbol, axis: int | Sequence[int]) -> Symbol:
    """``x`` with new axes of size 1 at the places ``axis`` of the result."""
    new = [axis] if isinstance(axis, int) else list(axis)
    rank = x.rank + len(new)
    places = {normalize_axis("expand_dims", a, rank) for a in new}
    dims = iter(x.shape)
    return reshape(x, [1 if a in places else next(dims) for a in range(rank)])


def squeeze(x: Symbol, axis: Axes = None) -> Symbol:
    """``x`` without axes of size 1: without ``axis``, or without all of them."""
    axes = [a for a, n in enumerate(x.shape) if n == 1] if axis is None else axes_of(x, axis)
    if other := [a for a in axes if x.shape[a] != 1]:
        raise ShapeError(f"squeeze: axis {other[0]} of {format_shape(x.shape)} is not of size 1")
    return reshape(x, [n for a, n in enumerate(x.shape) if a not in axes])


def inverse(order: Sequence[int]) -> list[int]:
    """The order of axes that undoes ``transpose`` by ``order``."""
    return [list(order).index(axis) for axis in range(len(order))]


def transpose(x: Symbol, axes: Sequence[int] | None = None) -> Symbol:
    """Axis i of the result is axis ``axes[i]`` of ``x``; by default all axes in reverse."""
    order = [a % x.rank for a in axes] if axes is not None else list(reversed(range(x.rank)))
    if order == list(range(x.rank)):
        return x
    values = weight_of(x)
    if values is None:
        return apply(Transpose(perm=order), x)
    return x.builder.constant(np.ascontiguousarray(values.transpose(order)))  # once, not in every call


def swapaxes(x: Symbol, axis1: int, axis2: int) -> Symbol:
    """``x`` with two axes exchanged."""
    order = list(range(x.rank))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(x, order)


def moveaxis(x: Symbol, source: int | Sequence[int], destination: int | Sequence[int]) -> Symbol:
    """``x`` with the axes ``source`` at the places ``destination``, the others in their order."""
    sources = [a % x.rank for a in ([source] if isinstance(source, int) else source)]
    places = [a % x.rank for a in ([destination] if isinstance(destination, int) else destination)]
    order = [a for a in range(x.rank) if a not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return transpose(x, order)


def rearrange(tensor: Symbol, pattern: str, **axes_lengths: int) -> Symbol:
    """Axes split, joined and moved as ``pattern`` says: "b (h two) w -> b w (two h)", with ``two=2``."""
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
            sizes[unknown[0]] = size if known == 1 else static("rearrange", (size,), 0) // known
    apart = transpose(reshape(tensor, [sizes[name] for name in names]), [names.index(n) for g in after for n in g])
    return reshape(apart, [product(*(sizes[name] for name in group)) for group in after])


def broadcast_to(x: Symbol, shape: Sequence[Any]) -> Symbol:
    """``x`` repeated to ``shape``; -1 or None stands for the size that ``x`` has."""
    missing = len(shape) - x.rank
    sizes = [x.shape[a - missing] if n in (None, -1) and a >= missing else n for a, n in enumerate(shape)]
    for size, n in zip(x.shape, sizes[missing:], strict=False):
        if isinstance(size, str) and size != n:
            raise ShapeError(
                f"broadcast_to: {format_shape(x.shape)} to {format_shape(tuple(sizes))} would fix '{size}', which is "
                "open, whatever number the file has for it; broadcast to -1 or None there"
            )
    return apply(Expand(shape=tuple(sizes)), x)


def tile(x: Symbol, repeats: int | Sequence[int]) -> Symbol:
    """``x`` as often as ``repeats`` says along each axis."""
    counts = [repeats] if isinstance(repeats, int) else list(repeats)
    counts = [1] * (x.rank - len(counts)) + counts
    x = reshape(x, (1,) * (len(counts) - x.rank) + x.shape)
    for axis, count in enumerate(counts):
        if count != 1:
            x = _repeated(x, axis, count, together=False)
    return x


def repeat(x: Symbol, repeats: int | Sequence[int], axis: int | None = None) -> Symbol:
    """Every element along ``axis`` so often; by default those of the raveled tensor."""
    if axis is None:
        return repeat(ravel(x), repeats, 0)
    counts = [repeats] if isinstance(repeats, int) else list(repeats)
    if len(counts) == 1:
        return _repeated(x, normalize_axis("repeat", axis, x.rank), counts[0], together=True)
    size = static("repeat", x.shape, axis)
    check_table("repeat", size + sum(counts))
    return take(x, np.repeat(np.arange(size), counts), axis)


def _repeated(x: Symbol, axis: int, count: int, together: bool) -> Symbol:
    size = static("repeat", x.shape, axis)
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    pair = (size, count) if together else (count, size)
    apart = reshape(x, (*before, *((size, 1) if together else (1, size)), *after))
    return reshape(apply(Expand(shape=(*before, *pair, *after)), apart), (*before, size * count, *after))


def flip(x: Symbol, axis: Axes = None) -> Symbol:
    """``x`` backwards along ``axis``; None stands for all axes."""
    axes = axes_of(x, axis)
    ends = [-static("flip", x.shape, a) - 1 for a in axes]
    return apply(Slice(starts=[-1] * len(axes), ends=ends, axes=axes, steps=[-1] * len(axes)), x)


def roll(x: Symbol, shift: int | Sequence[int], axis: Axes = None) -> Symbol:
    """``x`` moved on by ``shift`` along ``axis``, what leaves at the end returning at the front."""
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)
    axes = [axis] if isinstance(axis, int) else list(axis)
    shifts = [shift] * len(axes) if isinstance(shift, int) else list(shift)
    for a, by in zip(axes, shifts, strict=True):
        size = static("roll", x.shape, a)
        if by % size:
            cut = size - by % size
            x = concatenate([slice_along(x, a, cut, size), slice_along(x, a, 0, cut)], a)
    return x


def rot90(array: Symbol, k: int = 1, axes: Sequence[int] = (0, 1)) -> Symbol:
    """``array`` turned by ``k`` right angles in the plane of ``axes``, from the first towards the second."""
    first, second = (normalize_axis("rot90", axis, array.rank) for axis in axes)
    if k % 4 == 0:
        return array
    if k % 4 == 2:
        return flip(array, [first, second])
    return swapaxes(flip(array, second), first, second) if k % 4 == 1 else flip(swapaxes(array, first, second), second)


def concatenate(xs: Sequence[Value], axis: int = 0) -> Symbol:
    """Tensors one after the other along ``axis``."""
    tensors = promote(*xs)
    return tensors[0] if len(tensors) == 1 else apply(Concat(axis=axis), *tensors)


def stack(x: Sequence[Value], axis: int = 0) -> Symbol:
    """Tensors of one shape along a new axis."""
    tensors = promote(*x)
    return concatenate([expand_dims(tensor, axis) for tensor in tensors], axis)


def slice_along(x: Symbol, axis: int, start: int, end: int, step: int = 1) -> Symbol:
    """``x`` from ``start`` to ``end`` along ``axis``."""
    return apply(Slice(starts=[start], ends=[end], axes=[axis], steps=[step]), x)


MAX_PARTS = 1024
"""Into which a tensor is taken apart: each becomes a statement of the generated code."""


def check_parts(function: str, parts: int) -> None:
    """Raises ShapeError if a tensor would be taken into too many parts."""
    if parts > MAX_PARTS:
        raise ShapeError(f"{function} would make {parts:,} tensors of one; at most {MAX_PARTS:,} are translated")


def split(x: Symbol, indices_or_sections: Any, axis: int = 0) -> tuple[Symbol, ...]:
    """Parts of ``x`` along ``axis``: so many equal ones, or those between the places given."""
    size = static("split", x.shape, normalize_axis("split", axis, x.rank))
    if isinstance(indices_or_sections, int):
        if indices_or_sections < 1 or size % indices_or_sections:
            raise ShapeError(f"split: axis {axis} of {format_shape(x.shape)} has no {indices_or_sections} equal parts")
        check_parts("split", indices_or_sections)
        places = [size // indices_or_sections * part for part in range(1, indices_or_sections)]
    else:
        check_parts("split", len(indices_or_sections) + 1)
        places = [int(place) for place in indices_or_sections]
    return tuple(slice_along(x, axis, a, b) for a, b in zip([0, *places], [*places, size], strict=True))


def array_split(x: Symbol, indices_or_sections: Any, axis: int = 0) -> tuple[Symbol, ...]:
    """As :func:`split`, but the first parts may be larger by one."""
    if not isinstance(indices_or_sections, int):
        return split(x, indices_or_sections, axis)
    size = static("array_split", x.shape, normalize_axis("array_split", axis, x.rank))
    if indices_or_sections < 1:
        raise ShapeError(f"array_split: there are no {indices_or_sections} parts")
    check_parts("array_split", indices_or_sections)
    part, larger = divmod(size, indices_or_sections)
    return split(x, [part * i + min(i, larger) for i in range(1, indices_or_sections)], axis)


def unstack(x: Symbol, num: int | None = None, axis: int = 0) -> tuple[Symbol, ...]:
    """The slices of ``x`` along ``axis``."""
    size = static("unstack", x.shape, normalize_axis("unstack", axis, x.rank))
    check_parts("unstack", size)
    return tuple(squeeze(slice_along(x, axis, i, i + 1), axis) for i in range(size))


def getitem(x: Symbol, key: Any) -> Symbol:
    """``x[key]``: integers, slices, Ellipsis, None, and arrays of integers at most once."""
    keys = list(key) if isinstance(key, (tuple, list)) else [key]
    used = [k for k in keys if k is not None and k is not Ellipsis]
    dots = [i for i, k in enumerate(keys) if k is Ellipsis]
    if len(used) > x.rank or len(dots) > 1:
        raise ShapeError(f"an index of {len(used)} places does not fit a tensor {format_shape(x.shape)}")
    here = dots[0] if dots else len(keys)
    keys[here : here + 1] = [slice(None)] * (x.rank - len(used))
    shape: list[Dim] = []
    picked: tuple[int, Any] | None = None
    starts, ends, axes, steps = [], [], [], []
    axis = 0
    for k in keys:
        if k is None:
            shape.append(1)
            continue
        if isinstance(k, slice):
            if (k.start, k.stop, k.step) not in ((None, None, None), (None, None, 1), (0, None, None), (0, None, 1)):
                size = static("a slice", x.shape, axis)
                places = range(size)[k]
                starts.append(places.start)
                ends.append(places.stop if places.stop >= 0 else -size - 1)
                axes.append(axis)
                steps.append(places.step)
                shape.append(len(places))
            else:
                shape.append(x.shape[axis])
        elif isinstance(k, (int, np.integer)) and not isinstance(k, bool):
            size = static("an index", x.shape, axis)
            if not -size <= k < size:
                raise ShapeError(f"index {k} lies outside axis {axis} of {format_shape(x.shape)}")
            starts.append(int(k) % size)
            ends.append(int(k) % size + 1)
            axes.append(axis)
            steps.append(1)
        elif isinstance(k, (Symbol, np.ndarray)) and picked is None and str(k.dtype).startswith("int"):
            picked = (len(shape), k)
            shape.append(x.shape[axis])
        else:
            raise ShapeError(f"an index of {type(k).__name__} ({k!r:.60}) is not translated")
        axis += 1
    if axes:
        x = apply(Slice(starts=starts, ends=ends, axes=axes, steps=steps), x)
    x = reshape(x, shape)
    return take(x, picked[1], picked[0]) if picked else x


def pad(x: Symbol, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Symbol:
    """``x`` with a border: a constant, or its own numbers mirrored ("reflect", "symmetric")."""
    width = np.asarray(pad_width)
    pairs = np.broadcast_to(width, (x.rank, 2)).tolist()
    if mode == "constant":
        value = 0 if constant_values is None else constant_values
        if isinstance(value, Symbol) or np.ndim(value):
            raise ShapeError(f"pad: constant_values must be one number, got {value!r:.60}")
        return apply(Pad(pads=[p[0] for p in pairs] + [p[1] for p in pairs], constant_value=value), x)
    if mode not in ("reflect", "symmetric"):
        raise ShapeError(f"pad: mode {mode!r} is not translated; 'constant', 'reflect' and 'symmetric' are")
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            size = static("pad", x.shape, axis)
            check_table("pad", before + size + after)
            places = np.pad(np.arange(size), (before, after), mode)  # type: ignore[call-overload]
            x = take(x, places, axis)
    return x


def take(x: Value, indices: Value, axis: int | None = None) -> Symbol:
    """The elements of ``x`` at ``indices`` along ``axis``, negative ones from the end."""
    builder = builder_of(x, indices)
    data = x if isinstance(x, Symbol) else convert(x, result_type(x), builder)
    if axis is None:
        return take(ravel(data), indices, 0)
    places = indices if isinstance(indices, Symbol) else convert(np.asarray(indices), "int64", builder)
    return apply(Gather(axis=axis), data, places)


def take_along_axis(x: Symbol, indices: Value, axis: int | None = None) -> Symbol:
    """The elements of ``x`` along ``axis`` at ``indices``, which have an index per place of the result."""
    if axis is None:
        return take_along_axis(ravel(x), ravel(indices), 0)
    places = indices if isinstance(indices, Symbol) else convert(np.asarray(indices), "int64", x.builder)
    along = normalize_axis("take_along_axis", axis, x.rank)
    shape = tuple(n if a != along else places.shape[a] for a, n in enumerate(x.shape))
    places = places if places.shape == shape else apply(Expand(shape=shape), places)
    return apply(functions.GatherElements(axis=axis), x, places)


def diagonal(x: Symbol, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Symbol:
    """The numbers whose place in ``axis2`` is that in ``axis1`` plus ``offset``, along a new last axis."""
    moved = moveaxis(x, [axis1, axis2], [-2, -1])
    rows, columns = (static("diagonal", moved.shape, axis) for axis in (-2, -1))
    check_table("diagonal", rows)
    places = [row * columns + row + offset for row in range(rows) if 0 <= row + offset < columns]
    return take(reshape(moved, (*moved.shape[:-2], rows * columns)), places, -1)


def extract_sequences(x: Symbol, sequence_length: int, sequence_stride: int) -> Symbol:
    """The overlapping parts of ``x`` along its last axis, as rows: (..., parts, ``sequence_length``)."""
    last = static("extract_sequences", x.shape, -1) - sequence_length + 1
    check_table("extract_sequences", last // sequence_stride, sequence_length)
    starts = np.arange(0, last, sequence_stride)
    return take(x, starts[:, np.newaxis] + np.arange(sequence_length), -1)


def slice_update(inputs: Symbol, start_indices: Sequence[int], updates: Symbol) -> Symbol:
    """``inputs`` with ``updates`` in place of the numbers from ``start_indices`` on."""
    if not all(isinstance(start, int) for start in start_indices):
        raise ShapeError("slice_update at places that the model computes is not translated; only constant ones are")
    for axis in reversed(range(inputs.rank)):
        start, size, part = start_indices[axis], inputs.shape[axis], updates.shape[axis]
        if part == size:
            continue
        size, part = static("slice_update", inputs.shape, axis), static("slice_update", updates.shape, axis)
        around = inputs
        for before in range(axis):  # the axes before are cut to what is written
            if updates.shape[before] != inputs.shape[before]:
                first = start_indices[before]
                around = slice_along(around, before, first, first + static("slice_update", updates.shape, before))
        parts = [(0, start), None, (start + part, size)]
        pieces = [updates if p is None else slice_along(around, axis, *p) for p in parts if p is None or p[0] < p[1]]
        updates = concatenate(pieces, axis)
    return cast(updates, inputs.dtype)


def one_hot(x: Symbol, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Symbol:
    """1 at the place that ``x`` counts to along a new ``axis``, 0 elsewhere."""
    if sparse:
        raise DtypeError("one_hot: sparse tensors are not supported; give sparse=False")
    along = normalize_axis("one_hot", axis, x.rank + 1)
    check_table("one_hot", num_classes)
    classes = np.arange(num_classes).reshape([-1 if a == along else 1 for a in range(x.rank + 1)])
    whole = x if x.dtype.startswith("int") else cast(x, "int32")
    hot = equal(expand_dims(whole, along), classes.astype(whole.dtype))
    return cast(hot, dtype or "float32")


def linspace(start: Value, stop: Value, num: int = 50, endpoint: bool = True, axis: int = 0) -> Symbol:
    """``num`` numbers from ``start`` to ``stop`` (short of it, if not ``endpoint``) along a new axis."""
    a, b = promote(start, stop, dtype=floating(start, stop))
    axis = normalize_axis("linspace", axis, max(a.rank, b.rank) + 1)
    check_table("linspace", num)
    steps = np.linspace(0, 1, num, endpoint).reshape([-1] + [1] * (max(a.rank, b.rank) - axis)).astype(a.dtype)
    first = expand_dims(a, axis)
    return add(first, multiply(expand_dims(subtract(b, a), axis), steps))


def full_like(x: Symbol, fill_value: Value, dtype: Any = None) -> Symbol:
    """``fill_value`` in the shape of ``x``."""
    value = convert(fill_value, element_type(dtype or x.dtype), x.builder)
    return apply(Expand(shape=x.shape), value)


def zeros_like(x: Symbol, dtype: Any = None) -> Symbol:
    """0 in the shape of ``x``."""
    return full_like(x, 0, dtype)


def ones_like(x: Symbol, dtype: Any = None) -> Symbol:
    """1 in the shape of ``x``."""
    return full_like(x, 1, dtype)


def triangle(x: Symbol, k: int, lower: bool) -> Symbol:
    """``x`` with 0 above its k-th diagonal (below it, if not ``lower``)."""
    rows, columns = (static("tril and triu", x.shape, axis) for axis in (-2, -1))
    check_table("tril and triu", rows, columns)
    kept = np.tri(rows, columns, k if lower else k - 1, dtype=bool)
    return where(x.builder.constant(kept if lower else ~kept), x, 0)


def kron(x1: Value, x2: Value) -> Symbol:
    """The products of every element of ``x1`` with the whole of ``x2``, in blocks."""
    a, b = promote(x1, x2)
    rank = max(a.rank, b.rank)
    first, second = ((1,) * (rank - x.rank) + x.shape for x in (a, b))
    outer = multiply(
        reshape(a, [n for size in first for n in (size, 1)]), reshape(b, [n for size in second for n in (1, size)])
    )
    return reshape(outer, [product(m, n) for m, n in zip(first, second, strict=True)])


def diff(a: Symbol, n: int = 1, axis: int = -1) -> Symbol:
    """Differences of neighbours along ``axis``, ``n`` times."""
    check_parts("diff", n)
    for _ in range(n):
        size = static("diff", a.shape, axis)
        a = subtract(slice_along(a, axis, 1, size), slice_along(a, axis, 0, size - 1))
    return a
