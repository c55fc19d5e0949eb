"""Operators that return parts of their argument, and those that change parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.frontends.pytorch.aten.aliases import writes
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, Operand, aten
from sofie_jit.frontends.pytorch.aten.shapes import reshaped, unsqueeze
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, SymbolicDim, normalize_axis, static_dim
from sofie_jit.ir.operators.gather import Gather
from sofie_jit.ir.operators.slice import Slice

END = 1 << 62
"""An index after the last element of any axis."""


def sliced(call: AtenCall, x: Symbol, axis: int, start: Dim, end: Dim, step: int = 1) -> Symbol:
    """Elements from ``start`` (included) to ``end`` (excluded); negative indices count from the end."""
    size = x.shape[axis]
    if (
        start == 0
        and step == 1
        and (end == size or (isinstance(end, int) and end >= (size if isinstance(size, int) else END)))
    ):
        return x
    if isinstance(size, int) and isinstance(start, int) and isinstance(end, int):
        bounds = range(size)[start:end:step]
        if len(bounds) == size:
            return x
        return call.add(Slice(starts=[bounds.start], ends=[bounds.stop], axes=[axis], steps=[step]), x)
    end = END if end == size else end
    return call.add(Slice(starts=[start], ends=[end], axes=[axis], steps=[step]), x)


@aten("slice.Tensor", "slice_copy.Tensor")
def slice_(call: AtenCall, x: Symbol, dim: int, start: Any, end: Any, step: int) -> Symbol:
    """Part of a tensor along an axis."""
    axis = normalize_axis("slice", dim, x.rank)
    if not isinstance(step, int) or step < 1:
        call.refuse(f"the step {step} is not supported")
    return sliced(call, x, axis, 0 if start is None else start, END if end is None else end, step)


@aten("narrow", "narrow_copy")
def narrow(call: AtenCall, x: Symbol, dim: int, start: Any, length: Any) -> Symbol:
    """A number of elements along an axis."""
    axis = normalize_axis("narrow", dim, x.rank)
    if isinstance(start, int) and start < 0:
        start = x.shape[axis] + start
    return sliced(call, x, axis, start, start + length)


@aten("select.int", "select_copy.int")
def select(call: AtenCall, x: Symbol, dim: int, index: Operand) -> Symbol:
    """One element along an axis, without the axis."""
    axis = normalize_axis("select", dim, x.rank)
    if isinstance(index, Symbol):
        return call.add(Gather(axis=axis), x, index)
    assert isinstance(index, (int, SymbolicDim))
    size = x.shape[axis]
    if isinstance(index, SymbolicDim) and isinstance(index - size, int):
        index = index - size
    if isinstance(size, int) and isinstance(index, int):
        if not -size <= index < size:
            raise ShapeError(f"select: index {index} is out of range for axis {axis} of {x.shape}")
        index %= size
    part = sliced(call, x, axis, index, END if index == -1 else index + 1)
    return reshaped(call, part, [*part.shape[:axis], *part.shape[axis + 1 :]])


@aten("unbind.int", "unbind_copy.int")
def unbind(call: AtenCall, x: Symbol, dim: int) -> list[Symbol]:
    """The elements along an axis."""
    axis = normalize_axis("unbind", dim, x.rank)
    size = static_dim("unbind", x.shape, axis)
    ops.check_parts("unbind", size)
    return [select(call, x, axis, index) for index in range(size)]


@aten("split", "split_with_sizes", "split_copy", "split_with_sizes_copy", "unsafe_split", "unsafe_split_with_sizes")
def split(call: AtenCall, x: Symbol, split_size: Any = None, split_sizes: Any = None, dim: int = 0) -> list[Symbol]:
    """Parts along an axis: of one size, except that the last may be smaller, or of given sizes."""
    axis = normalize_axis("split", dim, x.rank)
    sizes = split_size if split_sizes is None else split_sizes
    if not isinstance(sizes, list):
        total = x.shape[axis]
        if sizes == total:
            return [x]
        count = total // sizes
        if isinstance(total, SymbolicDim) and isinstance(count, int) and count * sizes == total:
            return _parts(call, x, axis, [sizes] * count)
        total = static_dim("split", x.shape, axis)
        if not isinstance(sizes, int) or sizes < 1:
            call.refuse(f"parts of size {sizes} are not supported")
        ops.check_parts("split", -(-total // sizes))
        sizes = [min(sizes, total - start) for start in range(0, total, sizes)]
    return _parts(call, x, axis, sizes)


def _parts(call: AtenCall, x: Symbol, axis: int, sizes: Sequence[Dim]) -> list[Symbol]:
    ops.check_parts("split", len(sizes))
    if sum(sizes) != x.shape[axis]:
        raise ShapeError(f"split: parts of the sizes {sizes} do not make axis {axis} of {x.shape}")
    parts, start = [], 0
    for size in sizes:
        parts.append(sliced(call, x, axis, start, start + size))
        start += size  # type: ignore[assignment]
    return parts


@aten("chunk", "unsafe_chunk")
def chunk(call: AtenCall, x: Symbol, chunks: int, dim: int) -> list[Symbol]:
    """A number of parts along an axis; there may be fewer, and the last may be smaller."""
    axis = normalize_axis("chunk", dim, x.rank)
    size = x.shape[axis]
    if isinstance(size, SymbolicDim) and size // chunks * chunks == size:
        return _parts(call, x, axis, [size // chunks] * chunks)
    size = static_dim("chunk", x.shape, axis)
    return split(call, x, max(1, -(-size // chunks)), dim=axis)


@aten("tensor_split.sections", "tensor_split.indices")
def tensor_split(call: AtenCall, x: Symbol, sections: Any = None, indices: Any = None, dim: int = 0) -> list[Symbol]:
    """Parts along an axis, of which the first may be larger by one; or the parts between indices."""
    return list(ops.array_split(x, sections if indices is None else indices, dim))


@aten("hsplit", "vsplit", "dsplit")
def split_along(call: AtenCall, x: Symbol, sections: Any = None, indices: Any = None) -> list[Symbol]:
    """Parts along the second, the first or the third axis."""
    axis = {"h": 1 if x.rank > 1 else 0, "v": 0, "d": 2}[call.schema.name[0]]
    return tensor_split(call, x, sections, indices, axis)


@aten("diagonal", "diagonal_copy")
def diagonal(call: AtenCall, x: Symbol, offset: int, dim1: int, dim2: int) -> Symbol:
    """The elements on a diagonal, along a new last axis."""
    return ops.diagonal(x, offset, dim1, dim2)


@aten("unfold", "unfold_copy")
def unfold(call: AtenCall, x: Symbol, dimension: int, size: int, step: int) -> Symbol:
    """Windows along an axis; their elements are along a new last axis."""
    axis = normalize_axis("unfold", dimension, x.rank)
    return ops.moveaxis(ops.windows(x, axis, size, step), axis + 1, -1)


def updated(call: AtenCall, x: Symbol, axis: int, start: Dim, new: Symbol) -> Symbol:
    """``x`` with the elements from ``start`` on along an axis replaced by ``new``."""
    after = start + new.shape[axis]
    pieces = [new]
    if start != 0:
        pieces.insert(0, sliced(call, x, axis, 0, start))
    if after != x.shape[axis]:
        pieces.append(sliced(call, x, axis, after, END))
    return ops.concatenate(pieces, axis)


def _with_slice(call: AtenCall, x: Symbol, new: Symbol, axis: int, start: Any, step: int) -> Symbol:
    size = x.shape[axis]
    start = 0 if start is None else start
    if isinstance(size, int) and isinstance(start, int):
        start = min(max(start + size if start < 0 else start, 0), size)
    if step == 1:
        return updated(call, x, axis, start, new)
    whole = static_dim("a slice with steps", x.shape, axis)
    picks = np.arange(whole)
    places = picks[start::step][: static_dim("a slice with steps", new.shape, axis)]
    picks[places] = whole + np.arange(len(places))
    return ops.take(ops.concatenate([x, new], axis), picks, axis)


@writes("slice")
def with_slice(call: AtenCall, x: Symbol, new: Symbol, index: int | None, given: Mapping[str, Any]) -> Symbol:
    """The argument with a changed slice."""
    axis = normalize_axis("slice", given["dim"], x.rank)
    return _with_slice(call, x, new, axis, given["start"], given["step"])


@writes("narrow")
def with_part(call: AtenCall, x: Symbol, new: Symbol, index: int | None, given: Mapping[str, Any]) -> Symbol:
    """The argument with a changed part."""
    return _with_slice(call, x, new, normalize_axis("narrow", given["dim"], x.rank), given["start"], 1)


@writes("select")
def with_element(call: AtenCall, x: Symbol, new: Symbol, index: int | None, given: Mapping[str, Any]) -> Symbol:
    """The argument with a changed element along an axis."""
    axis = normalize_axis("select", given["dim"], x.rank)
    place = given["index"]
    if isinstance(place, Symbol):
        return _with_computed_element(x, new, axis, place)
    if isinstance(place, int) and place < 0:
        place = x.shape[axis] + place
    return updated(call, x, axis, place, unsqueeze(call, new, axis))


def _with_computed_element(x: Symbol, new: Symbol, axis: int, place: Symbol) -> Symbol:
    size = static_dim("an element at an index that the model computes", x.shape, axis)
    index = ops.where(ops.less(place, 0), ops.add(place, size), place)
    is_there = ops.equal(x.builder.constant(np.arange(size), "places"), index)
    return ops.where(ops.reshape(is_there, (size, *[1] * (x.rank - axis - 1))), ops.expand_dims(new, [axis]), x)


@writes("unbind")
def with_row(call: AtenCall, x: Symbol, new: Symbol, index: int | None, given: Mapping[str, Any]) -> Symbol:
    """The argument with one changed element along an axis."""
    return with_element(call, x, new, None, {"dim": given["dim"], "index": index})


@writes("split", "chunk", "split_with_sizes")
def with_split(call: AtenCall, x: Symbol, new: Symbol, index: int | None, given: Mapping[str, Any]) -> Symbol:
    """The argument with one changed part."""
    assert index is not None
    axis = normalize_axis("split", given["dim"], x.rank)
    if "chunks" in given:
        parts = chunk(call, x, given["chunks"], axis)
    else:
        parts = split(call, x, given.get("split_size"), given.get("split_sizes"), axis)
    parts[index] = new
    return ops.concatenate(parts, axis)


@aten("slice_scatter")
def slice_scatter(call: AtenCall, x: Symbol, src: Symbol, dim: int, start: Any, end: Any, step: int) -> Symbol:
    """A tensor with a slice replaced by another tensor."""
    return _with_slice(call, x, src, normalize_axis("slice_scatter", dim, x.rank), start, step)


@aten("select_scatter")
def select_scatter(call: AtenCall, x: Symbol, src: Symbol, dim: int, index: Any) -> Symbol:
    """A tensor with an element along an axis replaced."""
    return with_element(call, x, src, None, {"dim": dim, "index": index})


@aten("diagonal_scatter")
def diagonal_scatter(call: AtenCall, x: Symbol, src: Symbol, offset: int, dim1: int, dim2: int) -> Symbol:
    """A tensor with a diagonal replaced."""
    moved = ops.moveaxis(x, [dim1, dim2], [-2, -1])
    rows, columns = (static_dim("a tensor with a changed diagonal", moved.shape, axis) for axis in (-2, -1))
    first = max(-offset, 0)
    count = min(rows - first, columns - max(offset, 0))
    if count <= 0:
        return x
    is_there = call.constant(np.eye(rows, columns, offset, dtype=bool), "diagonal")
    of_rows = ops.take(src, np.clip(np.arange(rows) - first, 0, count - 1), -1)
    return ops.moveaxis(ops.where(is_there, ops.expand_dims(of_rows, [-1]), moved), [-2, -1], [dim1, dim2])


@writes("diagonal")
def with_diagonal(call: AtenCall, x: Symbol, new: Symbol, index: int | None, given: Mapping[str, Any]) -> Symbol:
    """The argument with a changed diagonal."""
    return diagonal_scatter(call, x, new, given["offset"], given["dim1"], given["dim2"])
