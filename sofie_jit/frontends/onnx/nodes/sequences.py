"""Sequences of tensors and optional tensors, as values that exist while a model is translated."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.onnx.narrow import combined
from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.frontends.onnx.nodes.shapes import parts_along
from sofie_jit.frontends.onnx.values import TensorSequence, Value, dims_of
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import FIX_SIZES, normalize_axis


@node("SequenceEmpty", since=11)
def sequence_empty(call: OnnxCall) -> TensorSequence:
    """A sequence without tensors."""
    call.ignore("dtype")
    return TensorSequence([])


@node("SequenceConstruct", since=11)
def sequence_construct(call: OnnxCall, *inputs: Value) -> TensorSequence:
    """The inputs as a sequence."""
    return TensorSequence(list(inputs))


def _place(call: OnnxCall, position: np.ndarray | None, count: int) -> int:
    """A position in a sequence of ``count`` tensors, counted from the front; by default the last."""
    at = -1 if position is None else int(position.item())
    if not -count <= at < count:
        call.refuse(f"the position {at} lies outside a sequence of {count}")
    return at % count


@node("SequenceInsert", since=11)
def sequence_insert(
    call: OnnxCall, sequence: TensorSequence, tensor: Value, position: np.ndarray | None = None
) -> TensorSequence:
    """The sequence with a tensor before a position, by default at its end."""
    items, count = list(sequence.items), len(sequence.items)
    at = count if position is None else int(position.item())
    if not -count <= at <= count:
        call.refuse(f"the position {at} lies outside a sequence of {count}")
    items.insert(at if at >= 0 else at + count, tensor)
    return TensorSequence(items)


@node("SequenceErase", since=11)
def sequence_erase(call: OnnxCall, sequence: TensorSequence, position: np.ndarray | None = None) -> TensorSequence:
    """The sequence without the tensor at a position, by default the last."""
    at = _place(call, position, len(sequence.items))
    return TensorSequence([*sequence.items[:at], *sequence.items[at + 1 :]])


@node("SequenceAt", since=11)
def sequence_at(call: OnnxCall, sequence: TensorSequence, position: np.ndarray) -> Value:
    """The tensor at a position."""
    item: Value = sequence.items[_place(call, position, len(sequence.items))]
    return item


@node("SequenceLength", since=11)
def sequence_length(call: OnnxCall, sequence: TensorSequence) -> np.ndarray:
    """The number of tensors."""
    return np.array(len(sequence.items))


@node("ConcatFromSequence", since=11)
def concat_from_sequence(call: OnnxCall, sequence: TensorSequence) -> Value:
    """The tensors one after the other, or along a new axis."""
    if not sequence.items:
        call.refuse("the sequence is empty")
    join, axis = ops.stack if call.flag("new_axis") else ops.concatenate, call.integer("axis")
    return combined(call, lambda tensors: join(tensors, axis), sequence.items)


@node("SplitToSequence", since=11)
def split_to_sequence(call: OnnxCall, x: Symbol, split: np.ndarray | None = None) -> TensorSequence:
    """Parts along an axis: of given sizes, or of one size each, or single elements without their axis."""
    axis = normalize_axis("SplitToSequence", call.integer("axis", 0), x.rank)
    total, keep = x.shape[axis], call.flag("keepdims", True)
    if split is not None and split.ndim:
        return TensorSequence(list(parts_along("SplitToSequence", x, axis, dims_of(split))))
    if not isinstance(total, int):
        call.refuse(f"axis {axis} has the open size {total}, which determines the number of parts", FIX_SIZES)
    size = 1 if split is None else int(split.item())
    if size < 1:
        call.refuse(f"split is {size}; expected a positive number")
    sizes = [min(size, total - start) for start in range(0, total, size)]
    parts = parts_along("SplitToSequence", x, axis, sizes)
    return TensorSequence([ops.squeeze(p, [axis]) for p in parts] if split is None and not keep else list(parts))


@node("SequenceMap", since=17)
def sequence_map(call: OnnxCall, first: TensorSequence, *more: Value | TensorSequence) -> tuple[TensorSequence, ...]:
    """A graph applied to each tensor of a sequence."""
    body, results = call.graph("body"), []
    for index, item in enumerate(first.items):
        rest = [value.items[index] if isinstance(value, TensorSequence) else value for value in more]
        names = [info.name for info in body.inputs]
        results.append(call.translate(body, dict(zip(names, [item, *rest], strict=True))))
    return tuple(TensorSequence([row[i] for row in results]) for i in range(len(body.outputs)))


@node("Optional", since=15)
def optional(call: OnnxCall, x: Value | TensorSequence | None = None) -> Value | TensorSequence:
    """The value itself; an optional value that is missing cannot be used."""
    call.ignore("type")
    if x is None:
        call.refuse("an optional value that is missing is not supported")
    return x


@node("OptionalHasElement", since=15)
def optional_has_element(call: OnnxCall, x: Value | TensorSequence | None = None) -> np.ndarray:
    """Whether there is a value."""
    return np.array(x is not None)


@node("OptionalGetElement", since=15)
def optional_get_element(call: OnnxCall, x: Value | TensorSequence) -> Value | TensorSequence:
    """The value."""
    return x
