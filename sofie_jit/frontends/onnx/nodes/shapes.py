"""Operators that move elements and compute none."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.images import zeros
from sofie_jit.frontends.onnx.nodes.registry import known, node
from sofie_jit.frontends.onnx.tensors import element_type
from sofie_jit.frontends.onnx.values import Value, constant, dims_of, known_dims
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import (
    FIX_SIZES,
    Dim,
    SymbolicDim,
    ceil_div,
    maximum,
    minimum,
    normalize_axis,
    product,
)
from sofie_jit.ir.operators.concat import Concat
from sofie_jit.ir.operators.data_dependent import Range
from sofie_jit.ir.operators.expand import Expand
from sofie_jit.ir.operators.pad import Pad
from sofie_jit.ir.operators.reshape import Reshape
from sofie_jit.ir.operators.rounding import NARROW
from sofie_jit.ir.operators.sizes import Iota
from sofie_jit.ir.operators.slice import Slice
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.size_arrays import border_indices
from sofie_jit.ir.types import check_table

# -- shapes ------------------------------------------------------------------------------------------------------------


@node("Shape")
def shape(call: OnnxCall, x: Value) -> np.ndarray:
    """The sizes of a tensor, of which the open ones are known when the model runs."""
    end = call.integer("end", len(x.shape))
    return known_dims(x.shape[call.integer("start", 0) : end])


@node("Size")
def size(call: OnnxCall, x: Value) -> np.ndarray:
    """The number of elements."""
    return known_dims([product(*x.shape)]).reshape(())


@node("Reshape", since=5)
def reshape(call: OnnxCall, x: Symbol, shape: np.ndarray) -> Symbol:
    """The elements in another shape; 0 stands for the size of the input, -1 for what remains."""
    target = dims_of(shape)
    if call.flag("allowzero") and 0 in target:  # the result has no elements
        known = [size for size in target if isinstance(size, int) and size >= 0]
        if 0 not in x.shape or len(known) < len(target):
            call.refuse(f"allowzero with the sizes {target} does not fit a tensor of shape {x.shape}")
        return zeros(call, tuple(known), x.dtype)
    target = [x.shape[axis] if size == 0 and axis < x.rank else size for axis, size in enumerate(target)]
    return x if tuple(target) == x.shape else call.add(Reshape(shape=tuple(target)), x)


@node("Flatten")
def flatten(call: OnnxCall, x: Symbol) -> Symbol:
    """A matrix: the axes before and from ``axis`` on."""
    given = call.integer("axis", 1)
    axis = given if given == x.rank else normalize_axis("Flatten", given, x.rank)
    return ops.reshape(x, (product(*x.shape[:axis]), product(*x.shape[axis:])))


@node("Squeeze")
def squeeze_by_attribute(call: OnnxCall, x: Symbol) -> Symbol:
    """The tensor without axes of size 1."""
    return ops.squeeze(x, call.integers("axes"))


@node("Squeeze", since=13)
def squeeze(call: OnnxCall, x: Symbol, axes: np.ndarray | None = None) -> Symbol:
    """The tensor without axes of size 1."""
    return ops.squeeze(x, None if axes is None else axes.ravel().tolist())


@node("Unsqueeze")
def unsqueeze_by_attribute(call: OnnxCall, x: Symbol) -> Symbol:
    """The tensor with new axes of size 1."""
    return ops.expand_dims(x, call.integers("axes") or [])


@node("Unsqueeze", since=13)
def unsqueeze(call: OnnxCall, x: Symbol, axes: np.ndarray) -> Symbol:
    """The tensor with new axes of size 1."""
    return ops.expand_dims(x, axes.ravel().tolist())


@node("Transpose")
def transpose(call: OnnxCall, x: Symbol) -> Symbol:
    """The axes in another order; by default reversed."""
    return ops.transpose(x, call.integers("perm"))


# -- parts -------------------------------------------------------------------------------------------------------------


@node("Concat", since=4)
def concat(call: OnnxCall, *inputs: Symbol) -> Symbol:
    """Tensors one after the other along an axis."""
    axis = call.integer("axis")
    return inputs[0] if len(inputs) == 1 else call.add(Concat(axis=axis), *inputs)


@node("Slice")
def slice_by_attributes(call: OnnxCall, x: Symbol) -> Symbol:
    """Part of a tensor."""
    return _slice(call, x, call.integers("starts") or [], call.integers("ends") or [], call.integers("axes"), None)


@node("Slice", since=10)
def slice_(
    call: OnnxCall,
    x: Symbol,
    starts: np.ndarray,
    ends: np.ndarray,
    axes: np.ndarray | None = None,
    steps: np.ndarray | None = None,
) -> Symbol:
    """Part of a tensor."""
    listed = None if axes is None else axes.ravel().tolist()
    return _slice(call, x, dims_of(starts), dims_of(ends), listed, None if steps is None else dims_of(steps))


def _slice(
    call: OnnxCall,
    x: Symbol,
    starts: Sequence[Dim],
    ends: Sequence[Dim],
    axes: list[int] | None,
    steps: Sequence[Dim] | None,
) -> Symbol:
    axes = list(range(len(starts))) if axes is None else [normalize_axis("Slice", axis, x.rank) for axis in axes]
    parts = zip(axes, starts, ends, steps or [1] * len(axes), strict=True)
    # from the first to the last element of an axis changes nothing, whatever its size
    needed = [part for part in parts if not (part[1] == 0 and part[3] == 1 and _is_end(part[2], x.shape[part[0]]))]
    if not needed:
        return x
    if any(not isinstance(step, int) for _, _, _, step in needed):
        call.refuse(f"the steps {steps} depend on a size that is known only when the model runs", FIX_SIZES)
    axes_, starts_, ends_, steps_ = (tuple(column) for column in zip(*needed, strict=True))
    return call.add(Slice(starts=starts_, ends=ends_, axes=axes_, steps=steps_), x)


def _is_end(end: Dim, size: Dim) -> bool:
    """Whether ``end`` is at or after the last of ``size`` elements."""
    return end == size or (isinstance(end, int) and end >= (size if isinstance(size, int) else 1 << 30))


@node("Split", since=2)
def split_by_attribute(call: OnnxCall, x: Symbol) -> tuple[Symbol, ...]:
    """Parts along an axis."""
    return _split(call, x, call.integers("split"))


@node("Split", since=13)
def split(call: OnnxCall, x: Symbol, split: np.ndarray | None = None) -> tuple[Symbol, ...]:
    """Parts along an axis."""
    call.ignore("num_outputs")
    return _split(call, x, None if split is None else dims_of(split))


def _split(call: OnnxCall, x: Symbol, sizes: Sequence[Dim] | None) -> tuple[Symbol, ...]:
    axis, count = normalize_axis("Split", call.integer("axis", 0), x.rank), len(call.node.outputs)
    total = x.shape[axis]
    parts = list(sizes or ())
    if sizes is None:
        part = ceil_div(total, count)
        parts = [minimum(part, maximum(0, total - part * index)) for index in range(count)]
    if len(parts) < count:
        raise ShapeError(f"{count} parts have {len(parts)} sizes")
    return parts_along("Split", x, axis, parts)


def parts_along(operator: str, x: Symbol, axis: int, sizes: Sequence[Dim]) -> tuple[Symbol, ...]:
    """Parts of ``x`` of given sizes. Raises ShapeError if they do not make the axis."""
    whole, total = sum(sizes), x.shape[axis]
    negative = any(isinstance(size, int) and size < 0 for size in sizes)
    if negative or Requirement(whole, "==", total).holds is False:
        raise ShapeError(f"{len(sizes)} parts of the sizes {list(sizes)} do not make axis {axis} of size {total}")
    ops.check_parts(operator, len(sizes))
    x, ends = ops.resized(x, axis, whole), itertools.accumulate(sizes)
    return tuple(ops.slice_along(x, axis, end - n, end) for n, end in zip(sizes, ends, strict=True))


# -- repetition and borders --------------------------------------------------------------------------------------------


@node("Expand", since=8)
def expand(call: OnnxCall, x: Symbol, shape: np.ndarray) -> Symbol:
    """The tensor repeated along axes of size 1."""
    target = dims_of(shape)
    operator = Expand(shape=tuple(target))
    return x if operator.infer(x.type) == x.type else call.add(operator, x)


@node("Tile", since=6)
def tile(call: OnnxCall, x: Symbol, repeats: np.ndarray) -> Symbol:
    """The tensor repeated as a whole."""
    return ops.tile(x, dims_of(repeats))


@node("Pad", since=2)
def pad_by_attributes(call: OnnxCall, x: Symbol) -> Symbol:
    """The tensor with a border."""
    return _pad(call, x, [*(call.integers("pads") or ())], call.number("value", 0.0), None)


@node("Pad", since=11)
def pad(
    call: OnnxCall, x: Symbol, pads: np.ndarray, value: np.ndarray | None = None, axes: np.ndarray | None = None
) -> Symbol:
    """The tensor with a border."""
    listed = None if axes is None else axes.ravel().tolist()
    return _pad(call, x, dims_of(pads), 0 if value is None else value.item(), listed)


def _pad(call: OnnxCall, x: Symbol, pads: Sequence[Dim], value: float, axes: list[int] | None) -> Symbol:
    operator = call.operator(Pad, "mode", pads=tuple(pads), constant_value=value, axes=axes)
    if operator.mode == "constant":
        return call.add(operator, x)
    operator.infer(x.type)
    for axis, (before, after) in enumerate(operator.borders(x.shape)):
        if before != 0 or after != 0:
            x = ops.take(x, border_indices(x.builder, x.shape[axis], before, after, operator.mode), axis)
    return x


# -- ranges and triangles ----------------------------------------------------------------------------------------------


@node("Trilu", since=14)
def trilu(call: OnnxCall, x: Symbol, k: np.ndarray | None = None) -> Symbol:
    """The upper or lower triangle of matrices, 0 elsewhere."""
    return ops.triangle(x, 0 if k is None else int(k.item()), lower=not call.flag("upper", True))


@node("Range", since=11)
def range_(call: OnnxCall, start: Value, limit: Value, delta: Value) -> Symbol:
    """Numbers from ``start`` to ``limit``, in steps of ``delta``."""
    if not (isinstance(start, np.ndarray) and isinstance(limit, np.ndarray) and isinstance(delta, np.ndarray)):
        limits = [call.symbol(value, name) for value, name in zip((start, limit, delta), call.node.inputs, strict=True)]
        return call.add(Range(count=call.builder.new_size("range")), *limits)
    given = [value.item() for value in (start, limit, delta)]
    if given[2] == 0:
        call.refuse("a range in steps of 0 is not defined")
    if any(isinstance(number, SymbolicDim) for number in given):
        first, last, step = given
        if not isinstance(step, int):
            call.refuse(f"a range in steps of {step} is not supported")
        size = ceil_div(last - first, step) if step > 0 else ceil_div(first - last, -step)
        return call.add(Iota(size=maximum(size, 0), start=first, step=step))
    count = math.ceil((given[1] - given[0]) / given[2])
    check_table("Range", count)
    numbers = given[0] + given[2] * np.arange(max(count, 0))
    return call.symbol(numbers.astype(start.dtype), f"{call.name}/range")


# -- constants ---------------------------------------------------------------------------------------------------------


@known("Constant")
def constant_node(call: OnnxCall) -> Value:
    """The value of an attribute."""
    names = [name for name in call.node.attributes if name != "name"]
    if len(names) != 1:
        call.refuse(f"it has the attributes {names}; expected one value")
    attribute = call.node.attributes[names[0]]
    call.ignore(names[0])
    if attribute.type in ("TENSOR", "SPARSE_TENSOR"):
        return constant(attribute.value)  # type: ignore[arg-type]
    dtypes = {"FLOAT": np.float32, "INT": np.int64, "FLOATS": np.float32, "INTS": np.int64}
    if attribute.type not in dtypes:
        call.refuse(f"a constant of type {attribute.type} is not supported")
    return np.array(attribute.value, dtypes[attribute.type])


@node("ConstantOfShape", since=9)
def constant_of_shape(call: OnnxCall, shape: np.ndarray) -> Symbol:
    """One value in a shape."""
    tensor = call.tensor("value")
    value = np.zeros(1, np.float32) if tensor is None else tensor.array
    if value.size != 1:
        call.refuse(f"value has {value.size} elements; expected 1")
    if tensor is not None and tensor.dtype in NARROW:
        value, call.narrow = value.astype(np.float32), tensor.dtype
    return call.add(Expand(shape=tuple(dims_of(shape))), call.symbol(value.reshape(()), f"{call.name}/value"))


@node("EyeLike", since=9)
def eye_like(call: OnnxCall, x: Symbol) -> Symbol:
    """1 on a diagonal of a matrix, 0 elsewhere."""
    dtype = element_type(call.integer("dtype"), "its output").name if call.has("dtype") else x.dtype
    rows, columns = x.shape
    k = call.integer("k", 0)
    if isinstance(rows, int) and isinstance(columns, int):
        check_table("EyeLike", rows, columns)
        return call.symbol(np.eye(rows, columns, k, dtype), f"{call.name}/eye")
    row, column = (call.add(Iota(size=size, start=start)) for size, start in ((rows, k), (columns, 0)))
    return ops.cast(ops.equal(ops.expand_dims(row, 1), column), dtype)
