"""``tf.shape`` and what is computed from it: numbers known when the model is translated, not tensors."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.keras.graph import flatten
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.operator import Dim, check_table, product


@dataclass(frozen=True, eq=False)
class Sizes:
    """What TensorFlow has as a tensor of sizes: an array of objects, each a number or the name of an open dimension."""

    values: np.ndarray

    @staticmethod
    def of(x: Symbol) -> Sizes:
        """The shape of ``x``."""
        return Sizes(_array(x.shape))

    def __getitem__(self, key: Any) -> Sizes:
        return Sizes(np.asarray(self.values[tuple(key) if isinstance(key, list) else key], object))

    def plain(self) -> Any:
        """The same as nested lists, or as a number or name."""
        return self.values.tolist()


def compute(name: str, arguments: Mapping[Any, Any]) -> Sizes | None:
    """The TensorFlow function ``name`` of Sizes and constants; None if a tensor is among them, or no Sizes at all.

    ``arguments`` are by the names of TensorFlow's parameters. Raises UnsupportedLayerError for what is not known of
    sizes, which makes :func:`sofie_jit.load` try again with the open dimensions fixed.
    """
    leaves = flatten(list(arguments.values()))
    if not any(isinstance(leaf, Sizes) for leaf in leaves) or any(isinstance(leaf, Symbol) for leaf in leaves):
        return None
    function = FUNCTIONS.get(name.rpartition(".")[2])
    if function is None:
        raise UnsupportedLayerError(f"tf.{name} of a shape is not translated")
    return Sizes(np.asarray(function(*(_value(argument) for argument in arguments.values())), object))


OPERATIONS = {"Pack": "stack", "AddV2": "add", "Add": "add", "Sub": "sub", "Mul": "mul", "FloorDiv": "floordiv",
              "RealDiv": "truediv", "Maximum": "maximum", "Minimum": "minimum", "Prod": "reduce_prod"}  # fmt: skip
"""Operations of TensorFlow's graphs -> functions."""


def compute_operation(name: str, tensors: Sequence[Any]) -> Sizes | None:
    """The same for an operation of a TensorFlow graph."""
    if name not in OPERATIONS:
        return None
    return compute(OPERATIONS[name], {"values": tensors} if name == "Pack" else dict(enumerate(tensors)))


def plain(argument: Any) -> Any:
    """``argument`` with the Sizes in it as numbers, names and lists of them."""
    if isinstance(argument, Sizes):
        return argument.plain()
    if isinstance(argument, (list, tuple)):
        return type(argument)(plain(item) for item in argument)
    if isinstance(argument, Mapping):
        return {key: plain(item) for key, item in argument.items()}
    return argument


def _value(argument: Any) -> Any:
    if isinstance(argument, Sizes):
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
        if function is operator.mul and (isinstance(a, str) or isinstance(b, str)):
            return product(a, b)
        if function is operator.sub and a == b:
            return 0
        if isinstance(a, str) or isinstance(b, str):
            raise UnsupportedLayerError(f"arithmetic with the open dimension '{a if isinstance(a, str) else b}'")
        return function(a, b)

    return lambda a, b, *_: np.frompyfunc(numbers, 2, 1)(a, b)


def _getitem(values: np.ndarray, slice_spec: Any) -> Any:
    def key(spec: Any) -> Any:
        return slice(spec.get("start"), spec.get("stop"), spec.get("step")) if isinstance(spec, Mapping) else spec

    return values[tuple(map(key, slice_spec)) if isinstance(slice_spec, (list, tuple)) else key(slice_spec)]


def _range(*bounds: Any) -> np.ndarray:
    if named := [bound for bound in map(str, bounds) if bound.isidentifier()]:
        raise UnsupportedLayerError(f"a range up to the open dimension '{named[0]}'")
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
    "reduce_prod": lambda x, *_: product(*x.tolist()),
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
"""By the last part of TensorFlow's name; of arrays of objects and constants."""
