"""Operators of arrays that are known before the model runs: constants, and the sizes of tensors.

Exporters compute the arguments of Reshape, Slice and the like from shapes, by chains of these operators. They are
computed while the model is translated, so that nothing of them remains. An array of sizes has objects as elements if
some of the sizes are open (:class:`SymbolicDim`); numpy's functions handle these like numbers.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from sofie_jit.frontends.onnx.nodes.call import OnnxCall
from sofie_jit.frontends.onnx.nodes.registry import known
from sofie_jit.frontends.onnx.tensors import element_type
from sofie_jit.frontends.onnx.values import SMALL, Narrow, dims_of, known_dims, normalized
from sofie_jit.ir.dims import Dim, SymbolicDim, maximum, minimum, normalize_axis, product
from sofie_jit.ir.types import MAX_TABLE

Array = np.ndarray


def _is_small(*arrays: Array | None) -> bool:
    return all(array is None or array.size <= SMALL for array in arrays)


def _is_open(*arrays: Array | None) -> bool:
    """Whether an array contains a size that is known only when the model runs."""
    return any(array is not None and array.dtype == object for array in arrays)


# -- element by element ------------------------------------------------------------------------------------------------


class _UndecidedError(Exception):
    """The result depends on the value of an open size."""


def _bounds(dim: Dim) -> tuple[float, float]:
    if isinstance(dim, SymbolicDim):
        lower, upper = dim.bounds()
        return -math.inf if lower is None else lower, math.inf if upper is None else upper
    return dim, dim


def _quotient(a: Any, b: Any) -> Any:
    """The quotient of ONNX: that of integers is rounded towards 0."""
    if isinstance(a, np.ndarray) and a.dtype.kind == "f":
        return a / b
    return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))


def _quotient_of_sizes(a: Dim, b: Dim) -> Dim:
    if _bounds(a)[0] < 0 or _bounds(b)[0] < 1:
        raise _UndecidedError
    return a // b


def _decided(compare: Callable[[Any, Any], Any]) -> Callable[[Dim, Dim], bool]:
    """Compares two sizes, if the result is the same for all values of open sizes."""

    def function(a: Dim, b: Dim) -> bool:
        lower, upper = _bounds(a - b)
        results = {bool(compare(number, 0)) for number in (lower, upper, 0) if lower <= number <= upper}
        if len(results) > 1:
            raise _UndecidedError
        return results.pop()

    return function


BINARY: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "Add": (operator.add, operator.add),
    "Sub": (operator.sub, operator.sub),
    "Mul": (operator.mul, operator.mul),
    "Div": (_quotient, _quotient_of_sizes),
    "Min": (np.minimum, minimum),
    "Max": (np.maximum, maximum),
    **{
        name: (compare, _decided(compare))
        for name, compare in (
            ("Equal", operator.eq),
            ("Less", operator.lt),
            ("Greater", operator.gt),
            ("LessOrEqual", operator.le),
            ("GreaterOrEqual", operator.ge),
        )
    },
}
"""Functions of two arrays of numbers, and of two sizes of which at least one is open."""
UNARY: dict[str, Callable[[Any], Any]] = {
    "Abs": np.abs,
    "Not": np.logical_not,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Sqrt": np.sqrt,
}


def _binary(name: str, of_arrays: Callable[[Any, Any], Any], of_sizes: Callable[[Any, Any], Any]) -> None:
    @known(name)
    def compute(call: OnnxCall, *arrays: Array) -> Array | None:
        if len(arrays) != 2 or not _is_small(*arrays):
            return None
        a, b = arrays
        if _is_open(a, b):
            if {a.dtype, b.dtype} - {np.dtype(object), np.dtype(np.int64), np.dtype(np.int32)}:
                return None
            try:
                found = np.asarray(np.frompyfunc(of_sizes, 2, 1)(a.astype(object), b.astype(object)), object)
            except _UndecidedError:
                return None
            return found.astype(bool) if all(isinstance(value, bool) for value in found.flat) else normalized(found)
        if a.dtype != b.dtype or (name == "Div" and a.dtype.kind != "f" and not b.all()):
            return None
        with np.errstate(all="ignore"):
            return np.asarray(of_arrays(a, b))


for _name, _functions in BINARY.items():
    _binary(_name, *_functions)


def _unary(name: str, function: Callable[[Any], Any]) -> None:
    @known(name)
    def compute(call: OnnxCall, x: Array) -> Array | None:
        return np.asarray(function(x)) if _is_small(x) and not _is_open(x) else None


for _name, _function in UNARY.items():
    _unary(_name, _function)


@known("Neg")
def negative(call: OnnxCall, x: Array) -> Array | None:
    """Also of open sizes, as ``save_onnx`` writes the end of a slice in the opposite order."""
    return normalized(np.asarray(-x, x.dtype)) if _is_small(x) else None


@known("And")
def and_(call: OnnxCall, a: Array, b: Array) -> Array | None:
    """``a and b``."""
    return np.logical_and(a, b) if _is_small(a, b) else None


@known("Or")
def or_(call: OnnxCall, a: Array, b: Array) -> Array | None:
    """``a or b``."""
    return np.logical_or(a, b) if _is_small(a, b) else None


@known("ReduceProd")
def product_of_elements(call: OnnxCall, x: Array, axes: Array | None = None) -> Array | None:
    """The product of all elements, which is how exporters count those of a tensor."""
    given = call.integers("axes") if axes is None else axes.tolist()
    if x.ndim != 1 or not _is_small(x) or given not in (None, [0], [-1]) or call.flag("noop_with_empty_axes"):
        return None
    total = known_dims([product(*dims_of(x))]) if _is_open(x) else np.prod(x, keepdims=True, dtype=x.dtype)
    return total if call.flag("keepdims", True) else total.reshape(())


@known("Where")
def where(call: OnnxCall, condition: Array, x: Array, y: Array) -> Array | None:
    """``x`` where the condition is true, else ``y``."""
    return normalized(np.where(condition, x, y)) if _is_small(condition, x, y) and not _is_open(condition) else None


@known("Cast")
def cast(call: OnnxCall, x: Array) -> Array | None:
    """Numbers as another type; sizes remain sizes as int64, and as int32, in which TensorFlow computes shapes."""
    element = element_type(call.integer("to"), "its output")
    dtype = None if element.name == "bfloat16" else element.dtype
    if _is_open(x):
        return np.asarray(x) if dtype in ("i4", "i8") else None  # known_result makes it int32
    call.ignore("saturate", "round_mode")
    if dtype is None or not _is_small(x):
        return None
    with np.errstate(all="ignore"):
        return x.astype(dtype)


# -- shapes ------------------------------------------------------------------------------------------------------------


@known("Gather")
def gather(call: OnnxCall, data: Array, indices: Array) -> Array | None:
    """Slices along an axis."""
    if not _is_small(data, indices) or _is_open(indices):
        return None
    axis = normalize_axis("Gather", call.integer("axis", 0), data.ndim)
    return normalized(np.array(np.take(data, indices, axis), data.dtype))


@known("Concat")
def concat(call: OnnxCall, *arrays: Array) -> Array | None:
    """Arrays one after the other."""
    return normalized(np.concatenate(arrays, call.integer("axis"))) if _is_small(*arrays) else None


@known("Reshape")
def reshape(call: OnnxCall, x: Array, shape: Array) -> Array | None:
    """The elements in another shape."""
    if not _is_small(x) or _is_open(shape) or call.flag("allowzero"):
        return None
    return x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(shape.tolist())])


@known("Squeeze")
def squeeze(call: OnnxCall, x: Array, axes: Array | None = None) -> Array | None:
    """The array without axes of size 1."""
    if not _is_small(x):
        return None
    given = call.integers("axes") if axes is None else axes.tolist()
    return x.squeeze(None if given is None else tuple(given))


@known("Unsqueeze")
def unsqueeze(call: OnnxCall, x: Array, axes: Array | None = None) -> Array | None:
    """The array with new axes of size 1."""
    given = call.integers("axes") if axes is None else axes.ravel().tolist()
    return np.expand_dims(x, tuple(given or ())) if _is_small(x) else None


@known("Slice")
def slice_(
    call: OnnxCall,
    x: Array,
    starts: Array | None = None,
    ends: Array | None = None,
    axes: Array | None = None,
    steps: Array | None = None,
) -> Array | None:
    """Part of an array."""
    if not _is_small(x) or _is_open(starts, ends):
        return None
    first = call.integers("starts") if starts is None else starts.tolist()
    last = call.integers("ends") if ends is None else ends.tolist()
    along = call.integers("axes") if axes is None else axes.tolist()
    by = [1] * len(first or ()) if steps is None else steps.tolist()
    parts = [slice(None)] * x.ndim
    along = list(range(len(by))) if along is None else along
    for axis, start, end, step in zip(along, first or (), last or (), by, strict=True):
        stop = None if step < 0 and end < -x.shape[axis] else end
        parts[axis] = slice(start, stop, step)
    return normalized(x[tuple(parts)])


@known("Shape")
def shape(call: OnnxCall, x: Array) -> Array:
    """The shape of an array."""
    return known_dims(x.shape[call.integer("start", 0) : call.integer("end", x.ndim)])


# -- ranges ------------------------------------------------------------------------------------------------------------


@known("Range")
def range_(call: OnnxCall, start: Array, limit: Array, delta: Array) -> Array | None:
    """Numbers from ``start`` to ``limit``, in steps of ``delta``."""
    if _is_open(start, limit, delta) or delta == 0:
        return None
    count = math.ceil((limit.item() - start.item()) / delta.item())
    return start + delta * np.arange(max(count, 0), dtype=start.dtype) if count <= SMALL else None


@known("ConstantOfShape")
def constant_of_shape(call: OnnxCall, shape: Array) -> Array | Narrow | None:
    """One value in a shape. It is stored once; test models have such weights."""
    if _is_open(shape) or math.prod(shape.tolist()) > MAX_TABLE:
        return None
    tensor = call.tensor("value")
    value = np.zeros(1, np.float32) if tensor is None else tensor.array
    if value.size != 1:
        return None
    full = np.broadcast_to(value.reshape(()), shape.tolist())
    return Narrow(full, tensor.dtype) if tensor is not None and tensor.dtype == "bfloat16" else full


@known("Expand")
def expand(call: OnnxCall, x: Array, shape: Array) -> Array | None:
    """An array repeated along axes of size 1."""
    if _is_open(shape) or not _is_small(x):
        return None
    target = np.broadcast_shapes(x.shape, tuple(shape.tolist()))
    return np.broadcast_to(x, target).copy() if math.prod(target) <= SMALL else None
