"""Operators whose results share the memory of their argument: shapes, axes, slices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, SymbolicDim, is_positive, normalize_axis, product, static_dim
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.slice import Slice

MAY_COPY = frozenset(["reshape", "flatten", "contiguous", "reshape_as", "ravel"])
"""Operators that return a view or a copy, which depends on the strides of their argument."""

CONVERSIONS = frozenset(["to", "type_as", "_to_copy"])
"""Operators that return their argument if it has the wanted type, else a new tensor."""

END = 1 << 62
"""An index after the last element of any axis."""

Writer = Callable[[AtenCall, Symbol, Symbol, int | None, Mapping[str, Any]], Symbol]

WRITERS: dict[str, Writer] = {}
"""Operator -> function of the argument, the new value of a result, and its number: the new value of the argument."""


def writes(*names: str) -> Callable[[Writer], Writer]:
    """Registers how a change of a view changes the tensor that it is a view of."""

    def register(writer: Writer) -> Writer:
        WRITERS.update(dict.fromkeys(names, writer))
        return writer

    return register


# -- shapes ------------------------------------------------------------------------------------------------------------


def reshaped(call: AtenCall, x: Symbol, shape: Sequence[Dim]) -> Symbol:
    """``x`` in another shape; -1 stands for the size that remains."""
    if tuple(shape) == x.shape:
        return x
    if 0 in shape or 0 in x.shape:
        call.refuse(f"a tensor without elements, of shape {x.shape}, is not supported")
    known = product(*[size for size in shape if size != -1])
    if -1 in shape and isinstance(known, SymbolicDim):
        total = product(*x.shape)
        rest = total // known
        if rest * known != total:
            call.refuse(f"{x.shape} in the shape {tuple(shape)}: the size for -1 is not known")
        shape = [rest if size == -1 else size for size in shape]
    return ops.reshape(x, shape) if ops.weight_of(x) is not None else call.add(Reshape(shape=tuple(shape)), x)


@aten("view.default", "_unsafe_view", "view_copy.default")
def view(call: AtenCall, x: Symbol, size: list[Any]) -> Symbol:
    """The elements in another shape."""
    return reshaped(call, x, size)


@aten("reshape")
def reshape(call: AtenCall, x: Symbol, shape: list[Any]) -> Symbol:
    """The elements in another shape."""
    return reshaped(call, x, shape)


@aten("_reshape_alias")
def reshape_alias(call: AtenCall, x: Symbol, size: list[Any], stride: list[Any]) -> Symbol:
    """The elements in another shape; the strides follow from it."""
    return reshaped(call, x, size)


@aten("view_as", "reshape_as")
def reshape_as(call: AtenCall, x: Symbol, other: Symbol) -> Symbol:
    """The elements in the shape of another tensor."""
    return reshaped(call, x, other.shape)


@aten("flatten.using_ints")
def flatten(call: AtenCall, x: Symbol, start_dim: int, end_dim: int) -> Symbol:
    """Several axes as one."""
    if x.rank == 0:
        return reshaped(call, x, [1])
    first, last = (normalize_axis("flatten", axis, x.rank) for axis in (start_dim, end_dim))
    return reshaped(call, x, [*x.shape[:first], product(*x.shape[first : last + 1]), *x.shape[last + 1 :]])


@aten("ravel")
def ravel(call: AtenCall, x: Symbol) -> Symbol:
    """All axes as one."""
    return reshaped(call, x, [product(*x.shape)])


@aten("unflatten.int")
def unflatten(call: AtenCall, x: Symbol, dim: int, sizes: list[Any]) -> Symbol:
    """An axis as several."""
    axis = normalize_axis("unflatten", dim, x.rank)
    known = product(*[size for size in sizes if size != -1])
    split = [x.shape[axis] // known if size == -1 else size for size in sizes]
    return reshaped(call, x, [*x.shape[:axis], *split, *x.shape[axis + 1 :]])


@aten("squeeze", "squeeze_copy")
def squeeze(call: AtenCall, x: Symbol, dim: Any = None) -> Symbol:
    """The tensor without axes of size 1: the given ones, or all."""
    given = range(x.rank) if dim is None else dim if isinstance(dim, list) else [dim]
    if x.rank == 0:
        return x
    axes = [normalize_axis("squeeze", axis, x.rank) for axis in given]
    for axis in axes:
        size = x.shape[axis]
        if (
            isinstance(size, SymbolicDim)
            and not is_positive(size - 1)
            and dim is not None
            and size.bounds()[1] is not None
        ):
            call.refuse(f"whether axis {axis} of size {size} is removed is known only when the model runs")
    return reshaped(call, x, [size for axis, size in enumerate(x.shape) if axis not in axes or size != 1])


@aten("unsqueeze", "unsqueeze_copy")
def unsqueeze(call: AtenCall, x: Symbol, dim: int) -> Symbol:
    """The tensor with a new axis of size 1."""
    axis = normalize_axis("unsqueeze", dim, x.rank + 1)
    return reshaped(call, x, [*x.shape[:axis], 1, *x.shape[axis:]])


@writes(
    "view", "_unsafe_view", "reshape", "_reshape_alias", "view_as", "reshape_as", "flatten", "ravel", "unflatten",
    "squeeze", "unsqueeze",
)  # fmt: skip
def unshaped(call: AtenCall, x: Symbol, new: Symbol, index: int | None, given: Mapping[str, Any]) -> Symbol:
    """The elements in the shape of the argument."""
    return reshaped(call, new, x.shape)


@aten("contiguous", "detach", "alias", "clone", "lift_fresh_copy", "lift_fresh", "lift", "detach_copy", "alias_copy",
      "resolve_conj", "resolve_neg", "pin_memory", "cpu", "cuda")  # fmt: skip
def same(call: AtenCall, x: Symbol) -> Symbol:
    """The tensor itself."""
    return x


@writes("detach", "alias", "contiguous", "lift_fresh", "to", "resolve_conj", "resolve_neg", "cpu", "cuda")
def changed(call: AtenCall, x: Symbol, new: Symbol, index: int | None, given: Mapping[str, Any]) -> Symbol:
    """The new value."""
    return new


@aten("expand", "expand_copy")
def expand(call: AtenCall, x: Symbol, size: list[Any]) -> Symbol:
    """The tensor repeated along axes of size 1; -1 stands for the size it has."""
    missing = len(size) - x.rank
    target = tuple(x.shape[axis - missing] if n == -1 and axis >= missing else n for axis, n in enumerate(size))
    return broadcast(call, x, target)


def broadcast(call: AtenCall, x: Symbol, shape: tuple[Dim, ...]) -> Symbol:
    """``x`` repeated to ``shape``."""
    operator = Expand(shape=shape)
    inferred = operator.infer(x.type)
    if inferred.shape != tuple(shape):
        raise ShapeError(f"a tensor of shape {x.shape} cannot be expanded to {shape}")
    return x if inferred == x.type else call.add(operator, x)


@aten("expand_as")
def expand_as(call: AtenCall, x: Symbol, other: Symbol) -> Symbol:
    """The tensor repeated to the shape of another one."""
    return broadcast(call, x, other.shape)


@aten("broadcast_to")
def broadcast_to(call: AtenCall, x: Symbol, size: list[Any]) -> Symbol:
    """The tensor repeated to a shape."""
    return expand(call, x, size)


# -- axes --------------------------------------------------------------------------------------------------------------


@aten("transpose.int", "transpose_copy.int", "swapaxes", "swapdims")
def transpose(
    call: AtenCall, x: Symbol, dim0: int = 0, dim1: int = 1, axis0: int | None = None, axis1: int | None = None
) -> Symbol:
    """Two axes swapped."""
    if x.rank == 0:
        return x
    first = normalize_axis("transpose", dim0 if axis0 is None else axis0, x.rank)
    second = normalize_axis("transpose", dim1 if axis1 is None else axis1, x.rank)
    return ops.swapaxes(x, first, second)


@writes("transpose", "swapaxes", "swapdims", "t", "numpy_T", "mT")
def transposed(call: AtenCall, x: Symbol, new: Symbol, index: int | None, given: Mapping[str, Any]) -> Symbol:
    """The same two axes swapped."""
    if "dim0" in given or "axis0" in given:
        return transpose(call, new, **{key: value for key, value in given.items() if key != "self"})
    return ops.swapaxes(new, -2 % new.rank, -1 % new.rank) if new.rank > 1 else new


@aten("t", "mT")
def matrix_transpose(call: AtenCall, x: Symbol) -> Symbol:
    """The last two axes swapped."""
    return x if x.rank < 2 else ops.swapaxes(x, x.rank - 2, x.rank - 1)


@aten("numpy_T")
def reverse_axes(call: AtenCall, x: Symbol) -> Symbol:
    """The axes in reverse order."""
    return ops.transpose(x)


@aten("permute", "permute_copy")
def permute(call: AtenCall, x: Symbol, dims: list[int]) -> Symbol:
    """The axes in another order."""
    order = [normalize_axis("permute", axis, x.rank) for axis in dims]
    if sorted(order) != list(range(x.rank)):
        raise ShapeError(f"permute: {dims} is not an order of {x.rank} axes")
    return ops.transpose(x, order)


@writes("permute")
def permuted(call: AtenCall, x: Symbol, new: Symbol, index: int | None, given: Mapping[str, Any]) -> Symbol:
    """The axes in the order of the argument."""
    return ops.transpose(new, np.argsort([axis % x.rank for axis in given["dims"]]).tolist())


@aten("movedim", "moveaxis")
def movedim(call: AtenCall, x: Symbol, source: Any, destination: Any) -> Symbol:
    """Axes moved to other positions."""
    return ops.moveaxis(x, source, destination)


# -- parts -------------------------------------------------------------------------------------------------------------


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
def select(call: AtenCall, x: Symbol, dim: int, index: Any) -> Symbol:
    """One element along an axis, without the axis."""
    axis = normalize_axis("select", dim, x.rank)
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


@aten("split", "split_with_sizes", "split_copy", "split_with_sizes_copy")
def split(call: AtenCall, x: Symbol, split_size: Any = None, split_sizes: Any = None, dim: int = 0) -> list[Symbol]:
    """Parts along an axis: of one size, except that the last may be smaller, or of given sizes."""
    axis = normalize_axis("split", dim, x.rank)
    sizes = split_size if split_sizes is None else split_sizes
    if not isinstance(sizes, list):
        total = x.shape[axis]
        if sizes == total:
            return [x]
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


@aten("chunk")
def chunk(call: AtenCall, x: Symbol, chunks: int, dim: int) -> list[Symbol]:
    """A number of parts along an axis; there may be fewer, and the last may be smaller."""
    axis = normalize_axis("chunk", dim, x.rank)
    size = static_dim("chunk", x.shape, axis)
    return split(call, x, max(1, -(-size // chunks)), dim=axis)


@aten("tensor_split.sections", "tensor_split.indices")
def tensor_split(call: AtenCall, x: Symbol, sections: Any = None, indices: Any = None, dim: int = 0) -> list[Symbol]:
    """Parts along an axis, of which the first may be larger by one; or the parts between indices."""
    return list(ops.array_split(x, sections if indices is None else indices, dim))


@aten("diagonal", "diagonal_copy")
def diagonal(call: AtenCall, x: Symbol, offset: int, dim1: int, dim2: int) -> Symbol:
    """The elements on a diagonal, along a new last axis."""
    return ops.diagonal(x, offset, dim1, dim2)


@aten("unfold")
def unfold(call: AtenCall, x: Symbol, dimension: int, size: int, step: int) -> Symbol:
    """Windows along an axis; their elements are along a new last axis."""
    axis = normalize_axis("unfold", dimension, x.rank)
    return ops.moveaxis(ops.windows(x, axis, size, step), axis + 1, -1)


# -- changes of parts --------------------------------------------------------------------------------------------------


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
    places = picks[start::step]
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
    if isinstance(place, int) and place < 0:
        place = x.shape[axis] + place
    return updated(call, x, axis, place, unsqueeze(call, new, axis))


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
