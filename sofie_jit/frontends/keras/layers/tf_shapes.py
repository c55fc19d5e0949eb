"""``tf.shape`` and functions of shapes, whose results are numbers known when the model is translated, not tensors."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.keras.graph import flatten
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.dims import FIX_SIZES, Dim, SymbolicDim, ceil_div, maximum, minimum
from sofie_jit.ir.operators.sizes import Iota
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

    ``arguments`` are by the names of TensorFlow's parameters. Raises UnsupportedLayerError for functions of open
    dimensions that have no integer form.
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


class Ratio(NamedTuple):
    """A size divided by a number, in floating point, before it is converted to an integer."""

    size: SymbolicDim
    divisor: int

    def __str__(self) -> str:
        return f"{self.size} / {self.divisor}"


def _elementwise(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A function of arrays from one of two numbers or open dimensions."""

    def checked(a: Any, b: Any) -> Any:
        if isinstance(a, SymbolicDim) or isinstance(b, SymbolicDim):
            for size in (a, b):
                _refuse_fractions(size)
        return function(_without_ratio(a), _without_ratio(b))

    return lambda a, b, *_: np.frompyfunc(checked, 2, 1)(a, b)


def _refuse_fractions(size: Any) -> None:
    if isinstance(size, float):
        raise UnsupportedLayerError(f"arithmetic of an open size with {size} is not supported; {FIX_SIZES}")


def _without_ratio(size: Any) -> Any:
    if isinstance(size, Ratio):
        raise UnsupportedLayerError(f"arithmetic with '{size}', which is open, is not supported; {FIX_SIZES}")
    return size


def _divided(a: Any, b: Any) -> Any:
    if not isinstance(a, SymbolicDim) and not isinstance(b, SymbolicDim):
        return a / b
    if not isinstance(b, int) or b < 1:
        raise UnsupportedLayerError(f"'{a}' divided by '{b}', one of which is open, is not supported; {FIX_SIZES}")
    return Ratio(a, b)


def _extremum(number: Callable[..., Any], size: Callable[..., Dim]) -> Callable[..., Any]:
    """A function of two numbers, and the one that replaces it if they are sizes."""
    return _elementwise(
        lambda a, b: (size if isinstance(a, SymbolicDim) or isinstance(b, SymbolicDim) else number)(a, b)
    )


def _greater(a: Any, b: Any) -> bool:
    if isinstance(a, SymbolicDim) or isinstance(b, SymbolicDim):
        raise UnsupportedLayerError(f"'{a}' compared with '{b}', one of which is open, is not supported; {FIX_SIZES}")
    return bool(a > b)


def _cast(x: np.ndarray, dtype: Any) -> Any:
    def number(value: Any) -> Any:
        if "float" in str(dtype):
            return value if isinstance(value, (SymbolicDim, Ratio)) else float(value)
        return value.size // value.divisor if isinstance(value, Ratio) else value

    return np.frompyfunc(number, 1, 1)(x)


def _getitem(values: np.ndarray, slice_spec: Any) -> Any:
    def key(spec: Any) -> Any:
        return slice(spec.get("start"), spec.get("stop"), spec.get("step")) if isinstance(spec, Mapping) else spec

    return values[tuple(map(key, slice_spec)) if isinstance(slice_spec, (list, tuple)) else key(slice_spec)]


def _range(*bounds: Any) -> np.ndarray:
    numbers = range(*(int(bound) for bound in bounds))
    check_table("range", len(numbers))
    return _array(numbers)


def open_range(builder: Builder, arguments: Sequence[Any]) -> Symbol | None:
    """``tf.range`` up to an open dimension, as int32; None if all of its arguments are known."""
    bounds = [np.asarray(_value(argument), object).item() for argument in arguments]
    if not any(isinstance(bound, SymbolicDim) for bound in bounds):
        return None
    start, limit, *step = [0, *bounds] if len(bounds) == 1 else bounds
    by = step[0] if step else 1
    if not isinstance(by, int) or by < 1:
        raise UnsupportedLayerError(f"tf.range up to the open '{limit}' in steps of {by} is not supported; {FIX_SIZES}")
    numbers: Symbol = builder.add(Iota(size=maximum(ceil_div(limit - start, by), 0), start=start, step=by))
    return ops.cast(numbers, "int32")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "getitem": _getitem,
    "stack": lambda values, axis=0: np.stack([np.asarray(value, object) for value in values], axis),
    "concat": lambda values, axis: np.concatenate([np.asarray(value, object) for value in values], axis),
    "cast": _cast,
    "identity": lambda x: x,
    "convert_to_tensor": lambda x, *_: x,
    "reduce_prod": lambda x, *_: math.prod(x.tolist()),
    "squeeze": lambda x, *_: np.squeeze(x),
    "expand_dims": lambda x, axis: np.expand_dims(x, axis),
    **dict.fromkeys(("add", "add_v2"), _elementwise(operator.add)),
    **dict.fromkeys(("subtract", "sub"), _elementwise(operator.sub)),
    **dict.fromkeys(("multiply", "mul"), _elementwise(operator.mul)),
    **dict.fromkeys(("floordiv", "floor_div"), _elementwise(operator.floordiv)),
    **dict.fromkeys(("truediv", "divide"), _elementwise(_divided)),
    "maximum": _extremum(max, maximum),
    "minimum": _extremum(min, minimum),
    "greater": _elementwise(_greater),
    "ones_like": lambda x, *_: np.ones_like(x),
    "where": lambda condition, x, y: np.where(condition.astype(bool), x, y),
    "unstack": lambda value, *_: value,
    "range": _range,
}
"""Last part of TensorFlow's name -> function of arrays of objects and constants."""
