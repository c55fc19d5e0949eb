"""Reductions, and functions along an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import node
from sofie_jit.frontends.onnx.values import dims_of
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, normalize_axis
from sofie_jit.ir.operators import math
from sofie_jit.ir.size_arrays import SizeArrays

Function = Callable[[Symbol, Sequence[int] | None, bool], Symbol]

FUNCTIONS: dict[str, tuple[Function, Callable[[Symbol], Symbol]]] = {
    "ReduceSum": (ops.sum, ops.identity),
    "ReduceMean": (ops.mean, ops.identity),
    "ReduceProd": (ops.prod, ops.identity),
    "ReduceMax": (ops.max, ops.identity),
    "ReduceMin": (ops.min, ops.identity),
    "ReduceL1": (lambda x, axes, keepdims: ops.sum(ops.absolute(x), axes, keepdims), ops.absolute),
    "ReduceL2": (lambda x, axes, keepdims: ops.sqrt(ops.sum(ops.square(x), axes, keepdims)), ops.absolute),
    "ReduceLogSum": (lambda x, axes, keepdims: ops.log(ops.sum(x, axes, keepdims)), ops.log),
    "ReduceLogSumExp": (ops.logsumexp, ops.identity),
    "ReduceSumSquare": (lambda x, axes, keepdims: ops.sum(ops.square(x), axes, keepdims), ops.square),
}
"""Reductions: a function of tensor, axes and keepdims, and of the elements if there are no axes."""


def _reduction(name: str, function: Function, elementwise: Callable[[Symbol], Symbol]) -> None:
    @node(name)
    def by_attribute(call: OnnxCall, x: Symbol) -> Symbol:
        return function(x, call.integers("axes") or None, call.flag("keepdims", True))

    @node(name, since=13 if name == "ReduceSum" else 18)
    def by_input(call: OnnxCall, x: Symbol, axes: np.ndarray | None = None) -> Symbol:
        listed = None if axes is None or not axes.size else axes.ravel().tolist()
        keepdims = call.flag("keepdims", True)
        if call.flag("noop_with_empty_axes") and listed is None:
            return elementwise(x)
        return function(x, listed, keepdims)


for _name, _functions in FUNCTIONS.items():
    _reduction(_name, *_functions)


@node("ArgMax")
def arg_max(call: OnnxCall, x: Symbol) -> Symbol:
    """The index of the largest element along an axis, as int64."""
    return _index(call, math.ArgMax, x)


@node("ArgMin")
def arg_min(call: OnnxCall, x: Symbol) -> Symbol:
    """The index of the smallest element along an axis, as int64."""
    return _index(call, math.ArgMin, x)


def _index(call: OnnxCall, operator: type[math.ArgMax], x: Symbol) -> Symbol:
    found = call.operator(operator, "axis", "keepdims")
    if not call.flag("select_last_index"):
        return ops.cast(call.add(found, x), "int64")
    last = SizeArrays(x.builder, x.shape[found.axis]).number(x.shape[found.axis] - 1, "int64")
    return ops.subtract(last, ops.cast(call.add(found, ops.flip(x, found.axis)), "int64"))


@node("CumSum", since=11)
def cum_sum(call: OnnxCall, x: Symbol, axis: np.ndarray) -> Symbol:
    """Sums along an axis up to each element."""
    return call.add(call.operator(math.CumSum, "exclusive", "reverse", axis=int(axis.item())), x)


@node("CumProd", since=26)
def cum_prod(call: OnnxCall, x: Symbol, axis: np.ndarray) -> Symbol:
    """Products along an axis up to each element."""
    return call.add(call.operator(math.CumProd, "exclusive", "reverse", axis=int(axis.item())), x)


@node("TopK", since=10)
def top_k(call: OnnxCall, x: Symbol, k: np.ndarray) -> tuple[Symbol, Symbol]:
    """The largest or smallest elements along an axis, and their indices as int64."""
    (count,) = dims_of(k)
    return _top_k(call, x, count)


@node("TopK")
def top_k_by_attribute(call: OnnxCall, x: Symbol) -> tuple[Symbol, Symbol]:
    """The form before opset 10: the number is an attribute."""
    return _top_k(call, x, call.integer("k"))


def _top_k(call: OnnxCall, x: Symbol, count: Dim) -> tuple[Symbol, Symbol]:
    axis = normalize_axis("TopK", call.integer("axis", -1), x.rank)
    last = ops.swapaxes(x, axis, -1)  # the kernel sorts rows
    values, indices = call.add_all(call.operator(math.TopK, "largest", "sorted", K=count), last)
    return ops.swapaxes(values, axis, -1), ops.cast(ops.swapaxes(indices, axis, -1), "int64")
