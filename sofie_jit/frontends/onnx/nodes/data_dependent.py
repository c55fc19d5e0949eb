"""Operators whose output has a size that depends on the data."""

from __future__ import annotations

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import known, node
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.data_dependent import Compress, NonMaxSuppression, NonZero, Unique
from sofie_jit.ir.types import MAX_TABLE


@known("NonZero")
def known_non_zero(call: OnnxCall, x: np.ndarray) -> np.ndarray | None:
    """The indices of the elements that are not 0."""
    if x.dtype == object or not x.ndim or x.size > MAX_TABLE:
        return None
    return np.stack(np.nonzero(x)).astype(np.int64)


@node("NonZero", since=9)
def non_zero(call: OnnxCall, x: Symbol) -> Symbol:
    """The indices of the elements that are not 0; the second size is known when the model runs."""
    x = x if x.rank else ops.reshape(x, (1,))
    return call.add(NonZero(count=call.builder.new_size("nonzero")), x)


@node("Compress", since=9)
def compress(call: OnnxCall, x: Symbol, condition: Symbol) -> Symbol:
    """The slices that a vector of bools chooses."""
    operator = call.operator(Compress, "axis", count=call.builder.new_size("compress"))
    return call.add(operator, x, condition)


@node("Unique", since=11)
def unique(call: OnnxCall, x: Symbol) -> tuple[Symbol, ...]:
    """The distinct elements or slices, where they appear first, the index of each element, and their numbers."""
    return call.add_all(call.operator(Unique, "axis", "sorted", count=call.builder.new_size("unique")), x)


@node("NonMaxSuppression", since=10)
def non_max_suppression(
    call: OnnxCall,
    boxes: Symbol,
    scores: Symbol,
    most: Symbol | None = None,
    overlap: Symbol | None = None,
    least: Symbol | None = None,
) -> Symbol:
    """The boxes with the highest scores that do not overlap much."""
    operator = call.operator(NonMaxSuppression, "center_point_box", count=call.builder.new_size("boxes"))
    return call.add(operator, boxes, scores, most, overlap, least)
