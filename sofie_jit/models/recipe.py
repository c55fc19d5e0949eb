"""Recipe: how the weights of a compiled network are computed from the bytes of a model file.

It is a list of steps of numpy, in which no weight appears. ``recording.py`` makes it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sofie_jit.errors import ModelFileError

Step = list[Any]
"""The kind of a step and its parts, which are values of JSON; :data:`_KINDS` lists the kinds."""


class Recipe(NamedTuple):
    """Steps, each of which computes an array, and the numbers of those that compute the weights, in their order."""

    steps: list[Step]
    results: list[int]

    def run(self, file: int) -> list[np.ndarray]:
        """The weights, C-contiguous and aligned.

        ``file``: the descriptor of the file, with the same content as when the recipe was recorded.

        Raises ModelFileError if the file ends too early.
        """
        last = {number: place for place, step in enumerate(self.steps) for number in operands(step)}
        kept = set(self.results)
        arrays: dict[int, np.ndarray] = {}
        with np.errstate(all="ignore"):
            for place, step in enumerate(self.steps):
                arrays[place] = _KINDS[step[0]](file, arrays, *step[1:])
                for number in set(operands(step)) - kept:
                    if last[number] == place:
                        del arrays[number]
        return [np.require(arrays[number], None, ["C", "A"]) for number in self.results]


def operands(value: Any) -> list[int]:
    """The numbers of the steps whose results a step, or a part of one, uses."""
    if isinstance(value, dict):
        return [value["step"]] if "step" in value else operands(list(value.values()))
    return [number for part in value for number in operands(part)] if isinstance(value, list) else []


# -- the kinds of steps ------------------------------------------------------------------------------------------------


def _of_file(file: int, arrays: dict[int, np.ndarray], dtype: str, shape: list[int], offset: int) -> np.ndarray:
    """Elements that lie in the file, in C order."""
    array = np.empty(shape, dtype)
    view, place = array.reshape(-1).view(np.uint8).data, 0
    while place < len(view):
        count = os.preadv(file, [view[place:]], offset + place)
        if not count:
            raise ModelFileError("the file became shorter while it was read")
        place += count
    return array


def _literal(file: int, arrays: dict[int, np.ndarray], dtype: str, shape: list[int], values: list[Any]) -> np.ndarray:
    """A few elements, or one that is repeated."""
    array = np.array(values, dtype)
    return np.full(shape, array[0]) if array.size == 1 != math.prod(shape) else array.reshape(shape)


def _ufunc(file: int, arrays: dict[int, np.ndarray], name: str, method: str, args: Any, kwargs: Any) -> Any:
    kwargs = {key: _value(part, arrays) for key, part in kwargs.items()}
    if "out" in kwargs:
        kwargs["out"] = np.empty(*kwargs["out"])
    return np.asarray(getattr(getattr(np, name), method)(*_value(args, arrays), **kwargs))


def _function(file: int, arrays: dict[int, np.ndarray], name: str, args: Any, kwargs: Any) -> Any:
    kwargs = {key: _value(part, arrays) for key, part in kwargs.items()}
    return getattr(np, name)(*_value(args, arrays), **kwargs)


def _item(file: int, arrays: dict[int, Any], operand: dict[str, int], index: int) -> Any:
    """One of the arrays that a function returned."""
    return arrays[operand["step"]][index]


def _method(file: int, arrays: dict[int, np.ndarray], name: str, args: Any, kwargs: Any) -> Any:
    array, *others = _value(args, arrays)
    return np.asarray(getattr(array, name)(*others, **{key: _value(part, arrays) for key, part in kwargs.items()}))


_KINDS: dict[str, Callable[..., Any]] = {
    "file": _of_file,
    "literal": _literal,
    "ufunc": _ufunc,
    "function": _function,
    "item": _item,
    "method": _method,
}


def _value(part: Any, arrays: dict[int, np.ndarray]) -> Any:
    """An argument: JSON's own values and lists are themselves, others are a dict of one key."""
    if isinstance(part, list):
        return [_value(item, arrays) for item in part]
    if not isinstance(part, dict):
        return part
    ((form, inner),) = part.items()
    if form == "step":
        return arrays[inner]
    if form == "tuple":
        return tuple(_value(item, arrays) for item in inner)
    if form == "slice":
        return slice(*_value(inner, arrays))
    if form == "dtype":
        return np.dtype(inner)
    return {"ellipsis": ...}[form]
