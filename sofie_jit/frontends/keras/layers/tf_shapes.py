"""``tf.shape`` and functions of shapes, whose results are numbers known when the model is translated, not tensors."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.keras.graph import flatten
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim, SymbolicDim
from sofie_jit.ir.types import check_table
from sofie_jit.records import dataclass


@dataclass(frozen=True, eq=False)
class SymbolicShape:
    """A tensor of sizes of TensorFlow, as an array of objects: numbers, or open dimensions."""

    values: np.ndarray

    @staticmethod
    def of(x: Symbol) -> SymbolicShape:
        """The shape of ``x``."""
        return SymbolicShape(_array(x.shape))

    def __getitem__(self, key: Any) -> SymbolicShape:
        return SymbolicShape(np.asarray(self.values[tuple(key) if isinstance(key, list) else key], object))

    def plain(self) -> Any:
        """The sizes as nested lists, or as one size."""
        return self.values.tolist()


def compute(name: str, arguments: Mapping[Any, Any]) -> SymbolicShape | None:
    """The TensorFlow function ``name`` of shapes and constants; None if there is a tensor, or no shape, among them.

    ``arguments`` are by the names of TensorFlow's parameters. Raises UnsupportedLayerError if the result depends on
    open dimensions, which makes :func:`sofie_jit.load` try again with these fixed.
    """
    leaves = flatten(list(arguments.values()))
    if not any(isinstance(leaf, SymbolicShape) for leaf in leaves) or any(isinstance(leaf, Symbol) for leaf in leaves):
        return None
    function = FUNCTIONS.get(name.rpartition(".")[2])
    if function is None:
        raise UnsupportedLayerError(f"tf.{name} of a shape is not supported")
    return SymbolicShape(np.asarray(function(*(_value(argument) for argument in arguments.values())), object))


OPERATIONS = {"Pack": "stack", "AddV2": "add", "Add": "add", "Sub": "sub", "Mul": "mul", "FloorDiv": "floordiv",
              "RealDiv": "truediv", "Maximum": "maximum", "Minimum": "minimum", "Prod": "reduce_prod"}  # fmt: skip
"""Operation of TensorFlow's graphs -> function."""


def compute_operation(name: str, tensors: Sequence[Any]) -> SymbolicShape | None:
    """As :func:`compute`, for an operation of a TensorFlow graph."""
    if name not in OPERATIONS:
        return None
    return compute(OPERATIONS[name], {"values": tensors} if name == "Pack" else dict(enumerate(tensors)))


def plain(argument: Any) -> Any:
    """``argument`` with each shape in it as lists of numbers and open dimensions."""
    if isinstance(argument, SymbolicShape):
        return argument.plain()
    if isinstance(argument, (list, tuple)):
        return type(argument)(plain(item) for item in argument)
    if isinstance(argument, Mapping):
        return {key: plain(item) for key, item in argument.items()}
    return argument


def _value(argument: Any) -> Any:
    if isinstance(argument, SymbolicShape):
        return argument.values
    if isinstance(argument, (list, tuple)):
        return type(argument)(_value(item) for item in argument)
    return argument


def _array(values: Sequence[Dim]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _elementwise(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def numbers(a: Any, b: Any) -> Any:
        named = [size for size in (a, b) if isinstance(size, SymbolicDim)]
        if named and function is operator.mul:
            return a * b
        if function is operator.sub and a == b:
            return 0
        if named:
            raise UnsupportedLayerError(f"arithmetic with the open dimension '{named[0]}' is not supported")
        return function(a, b)

    return lambda a, b, *_: np.frompyfunc(numbers, 2, 1)(a, b)


def _getitem(values: np.ndarray, slice_spec: Any) -> Any:
    def key(spec: Any) -> Any:
        return slice(spec.get("start"), spec.get("stop"), spec.get("step")) if isinstance(spec, Mapping) else spec

    return values[tuple(map(key, slice_spec)) if isinstance(slice_spec, (list, tuple)) else key(slice_spec)]


def _range(*bounds: Any) -> np.ndarray:
    if named := [bound for bound in map(str, bounds) if bound.isidentifier()]:
        raise UnsupportedLayerError(f"a range up to the open dimension '{named[0]}' is not supported")
    numbers = range(*(int(bound) for bound in bounds))
    check_table("range", len(numbers))
    return _array(numbers)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "getitem": _getitem,
    "stack": lambda values, axis=0: np.stack([np.asarray(value, object) for value in values], axis),
    "concat": lambda values, axis=0: np.concatenate([np.asarray(value, object) for value in values], axis),
    "cast": lambda x, dtype: x if "float" not in str(dtype) else np.frompyfunc(float, 1, 1)(x),
    "identity": lambda x: x,
    "convert_to_tensor": lambda x, *_: x,
    "reduce_prod": lambda x, *_: math.prod(x.tolist()),
    "squeeze": lambda x, *_: np.squeeze(x),
    "expand_dims": lambda x, axis=0: np.expand_dims(x, axis),
    **dict.fromkeys(("add", "add_v2"), _elementwise(operator.add)),
    **dict.fromkeys(("subtract", "sub"), _elementwise(operator.sub)),
    **dict.fromkeys(("multiply", "mul"), _elementwise(operator.mul)),
    **dict.fromkeys(("floordiv", "floor_div"), _elementwise(operator.floordiv)),
    **dict.fromkeys(("truediv", "divide"), _elementwise(operator.truediv)),
    "maximum": _elementwise(max),
    "minimum": _elementwise(min),
    "greater": _elementwise(operator.gt),
    "ones_like": lambda x, *_: np.ones_like(x),
    "where": lambda condition, x, y: np.where(condition.astype(bool), x, y),
    "unstack": lambda value, *_: value,
    "range": _range,
}
"""Last part of TensorFlow's name -> function of arrays of objects and constants."""
