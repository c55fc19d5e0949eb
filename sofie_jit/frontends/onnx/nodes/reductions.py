"""Reductions, and functions along an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.onnx.nodes.registry import OnnxCall, node
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import normalize_axis
from sofie_jit.ir.operators import math

Function = Callable[[Symbol, Sequence[int] | None, bool], Symbol]


def _norm(order: int) -> Function:
    return lambda x, axes, keepdims: (
        ops.sum(ops.absolute(x), axes, keepdims) if order == 1 else ops.sqrt(ops.sum(ops.square(x), axes, keepdims))
    )


FUNCTIONS: dict[str, Function] = {
    "ReduceSum": ops.sum,
    "ReduceMean": ops.mean,
    "ReduceProd": ops.prod,
    "ReduceMax": ops.max,
    "ReduceMin": ops.min,
    "ReduceL1": _norm(1),
    "ReduceL2": _norm(2),
    "ReduceLogSum": lambda x, axes, keepdims: ops.log(ops.sum(x, axes, keepdims)),
    "ReduceLogSumExp": ops.logsumexp,
    "ReduceSumSquare": lambda x, axes, keepdims: ops.sum(ops.square(x), axes, keepdims),
}
ELEMENTWISE: dict[str, Callable[[Symbol], Symbol]] = {
    "ReduceL1": ops.absolute,
    "ReduceL2": ops.absolute,
    "ReduceLogSum": ops.log,
    "ReduceSumSquare": ops.square,
}
"""What the reductions do to single elements if there are no axes; others return their input."""


def _reduction(name: str, function: Function) -> None:
    @node(name, since=1)
    def by_attribute(call: OnnxCall, x: Symbol) -> Symbol:
        return function(x, call.integers("axes"), call.flag("keepdims", True))

    @node(name, since=13 if name == "ReduceSum" else 18)
    def by_input(call: OnnxCall, x: Symbol, axes: np.ndarray | None = None) -> Symbol:
        listed: Any = None if axes is None or not axes.size else axes.ravel().tolist()
        keepdims = call.flag("keepdims", True)
        if call.flag("noop_with_empty_axes") and listed is None:
            return ELEMENTWISE.get(name, ops.identity)(x)
        return function(x, listed, keepdims)


for _name, _function in FUNCTIONS.items():
    _reduction(_name, _function)


@node("ArgMax", since=1)
def arg_max(call: OnnxCall, x: Symbol) -> Symbol:
    """The index of the largest element along an axis, as int64."""
    return _arg(call, math.ArgMax, x)


@node("ArgMin", since=1)
def arg_min(call: OnnxCall, x: Symbol) -> Symbol:
    """The index of the smallest element along an axis, as int64."""
    return _arg(call, math.ArgMin, x)


def _arg(call: OnnxCall, operator: type[math.ArgMax], x: Symbol) -> Symbol:
    axis = normalize_axis(call.node.op_type, call.integer("axis", 0), x.rank)
    keepdims = call.flag("keepdims", True)
    if not call.flag("select_last_index"):
        return ops.cast(call.add(operator(axis=axis, keepdims=keepdims), x), "int64")
    index = ops.cast(call.add(operator(axis=axis, keepdims=keepdims), ops.flip(x, axis)), "int64")
    return ops.subtract(np.int64(_size(call, x, axis) - 1), index)


def _size(call: OnnxCall, x: Symbol, axis: int) -> int:
    size = x.shape[axis]
    if not isinstance(size, int):
        call.refuse(f"axis {axis} has the open size {size}, which is not supported")
    return size


@node("CumSum", since=11)
def cum_sum(call: OnnxCall, x: Symbol, axis: np.ndarray) -> Symbol:
    """Sums along an axis up to each element."""
    along = normalize_axis("CumSum", int(axis.item()), x.rank)
    backwards = call.flag("reverse")
    x = ops.flip(x, along) if backwards else x
    if call.flag("exclusive"):
        size = _size(call, x, along)
        pads = [(1, 0) if a == along else (0, 0) for a in range(x.rank)]
        x = ops.pad(ops.slice_along(x, along, 0, size - 1), pads) if size > 1 else ops.zeros_like(x)
    total = ops.cumsum(x, along)
    return ops.flip(total, along) if backwards else total


@node("TopK", since=10)
def top_k(call: OnnxCall, x: Symbol, k: np.ndarray) -> tuple[Symbol, Symbol]:
    """The largest or smallest elements along an axis, and their indices as int64."""
    axis = normalize_axis("TopK", call.integer("axis", -1), x.rank)
    call.ignore("sorted")  # sorted elements satisfy both
    count, last = k.ravel()[0], ops.moveaxis(x, axis, -1)
    if not isinstance(count, (int, np.integer)):
        call.refuse(f"k is the open size {count}, which is not supported")
    values, indices = call.add_all(math.TopK(k=int(count), largest=call.flag("largest", True)), last)
    return ops.moveaxis(values, -1, axis), ops.moveaxis(ops.cast(indices, "int64"), -1, axis)
