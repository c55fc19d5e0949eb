"""Records how weights are computed from the bytes of a file, as a Recipe.

While a network is translated and lowered under a :class:`Recorder`, its weights are arrays that note the operations of
numpy that make further arrays of them. What a recorder does not understand leads to an array of unknown origin, and a
network with such a weight is not recorded. A recipe may depend on the values of the weights, since translation does;
therefore it is for this content of the file only, and the caller compares its results with the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.digests import digest
from sofie_jit.errors import SofieError
from sofie_jit.models.recipe import Recipe, Step, operands

MAX_LITERAL = 8
"""The largest number of different elements in a constant that is not in the file: weights do not get into a recipe."""

PROBE, MAX_CANDIDATES = 256, 1000
"""Bytes of an array that are looked for first, and how many places with these bytes are tried."""


class RecordingError(SofieError):
    """The origin of an array cannot be recorded."""


class Recorder:
    """Collects the steps of a recipe.

    ``content``: that of the file.

    ``watch`` is a :data:`sofie_jit.ir.weights.Watcher`.
    """

    def __init__(self, content: bytes):
        self._content = content
        self._place = 0
        self.steps: list[Step] = []
        self._numbers: dict[str, int] = {}
        self._known: dict[str, int] = {}

    def watch(self, array: np.ndarray) -> np.ndarray:
        """``array`` as one that records the operations on it, if its origin is known."""
        if isinstance(array, RecordedArray) and array.number is not None:
            return array
        number = self._origin(array)
        return array if number is None else self.recorded(array, number)

    def recorded(self, array: np.ndarray, number: int) -> RecordedArray:
        """``array``, which the step ``number`` computes."""
        found = np.asarray(array).view(RecordedArray)
        found.recorder, found.number = self, number
        self._known.setdefault(_digest(array), number)
        return found

    def recipe(self, weights: list[np.ndarray]) -> Recipe:
        """The recipe of these arrays. Raises RecordingError if the origin of one is not known."""
        results = [self.number(array) for array in weights]
        places: dict[int, int] = {}
        todo = results[::-1]
        while todo:  # each weight after the steps that it needs, so that their results live shortly
            missing = [number for number in operands(self.steps[todo[-1]]) if number not in places]
            if missing:
                todo += missing[::-1]
            else:
                places.setdefault(todo.pop(), len(places))
        return Recipe([_renumbered(self.steps[number], places) for number in places], [places[n] for n in results])

    def add(self, *step: Any) -> int:
        """The number of a step."""
        key = repr(step)
        if key not in self._numbers:
            self._numbers[key] = len(self.steps)
            self.steps.append(list(step))
        return self._numbers[key]

    def number(self, array: np.ndarray) -> int:
        """The number of the step that computes ``array``. Raises RecordingError if it is not known."""
        if isinstance(array, RecordedArray) and array.number is not None:
            return array.number
        number = self._origin(array)
        if number is None:
            raise RecordingError(f"the origin of an array of type {array.dtype} and shape {array.shape} is not known")
        return number

    def _origin(self, array: np.ndarray) -> int | None:
        """The step of an array that does not know its own: equal to another one, a constant, or part of the file."""
        if array.dtype.kind not in "fiub":
            return None
        if (number := self._known.get(_digest(array))) is not None:
            return number
        if array.size > 1 and _is_constant(array):
            return self.add("literal", array.dtype.str, list(array.shape), [array.reshape(-1)[0].item()])
        axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        stored = array.transpose(axes)  # the order of its elements in memory
        if (place := self._find(stored.tobytes())) is not None:
            number = self.add("file", array.dtype.str, list(stored.shape), place)
            if axes != sorted(axes):
                number = self.add("method", "transpose", [{"step": number}, np.argsort(axes).tolist()], {})
            return number
        if array.size <= MAX_LITERAL:
            return self.add("literal", array.dtype.str, list(array.shape), array.reshape(-1).tolist())
        return None

    def _find(self, data: bytes) -> int | None:
        """Where these bytes are in the file. Weights are usually read in the order in which they are there."""
        if not data:
            return None
        # bytes that are rarely elsewhere are looked for first: looking for all of them takes a minute for 100 MB
        probe = max(range(0, len(data), -(-len(data) // 64)), key=lambda at: len(set(data[at : at + PROBE])))
        for start in (self._place, 0):
            at = self._content.find(data[probe : probe + PROBE], start + probe)
            for _ in range(MAX_CANDIDATES):
                if at >= probe and self._content.startswith(data, at - probe):
                    self._place = at - probe + len(data)
                    return at - probe
                if at < 0:
                    break
                at = self._content.find(data[probe : probe + PROBE], at + 1)
        place = self._content.find(data)
        return place if place >= 0 else None

    # -- arguments ---------------------------------------------------------------------------------------------------

    def part(self, value: Any) -> Any:
        """An argument of a step as a value of JSON."""
        if value is None or (isinstance(value, (bool, int, float, str)) and not isinstance(value, np.generic)):
            return value
        if isinstance(value, (np.ndarray, np.generic)):
            return {"step": self.number(value if isinstance(value, np.ndarray) else np.asarray(value))}
        if isinstance(value, list):
            return [self.part(item) for item in value]
        if isinstance(value, tuple):
            return {"tuple": [self.part(item) for item in value]}
        if isinstance(value, slice):
            return {"slice": [self.part(item) for item in (value.start, value.stop, value.step)]}
        if value is Ellipsis:
            return {"ellipsis": None}
        if isinstance(value, np.dtype) or (
            isinstance(value, type) and issubclass(value, (np.generic, bool, int, float))
        ):
            return {"dtype": np.dtype(value).str}
        raise RecordingError(f"an argument of type {type(value).__name__} cannot be recorded")

    def parts(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Keyword arguments as values of JSON."""
        return {name: self.part(value) for name, value in values.items()}


def _is_constant(array: np.ndarray) -> bool:
    """Whether all elements have the same bytes."""
    data = array.tobytes()
    return data[array.itemsize :] == data[: -array.itemsize]


def _digest(array: np.ndarray) -> str:
    return digest(f"{array.dtype.str}{array.shape}".encode(), np.ascontiguousarray(array).tobytes())


def _renumbered(part: Any, places: Mapping[int, int]) -> Any:
    if isinstance(part, dict):
        if "step" in part:
            return {"step": places[part["step"]]}
        return {key: _renumbered(value, places) for key, value in part.items()}
    return [_renumbered(item, places) for item in part] if isinstance(part, list) else part


class RecordedArray(np.ndarray):
    """An array that notes how others are computed from it. ``number`` is that of its own step, None if unknown."""

    recorder: Recorder | None = None
    number: int | None = None

    def __array_finalize__(self, other: Any) -> None:
        self.recorder, self.number = getattr(other, "recorder", None), None

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        recorder = _recorder(inputs)
        given = {} if out is None else {"out": tuple(map(_plain, out))}
        result = getattr(ufunc, method)(*map(_plain, inputs), **given, **_plain(kwargs))
        if recorder is None or method not in ("__call__", "reduce"):
            return result
        if out is None:
            return _wrapped(recorder, result, "ufunc", [ufunc.__name__, method], inputs, kwargs)
        if len(out) != 1 or isinstance(out[0], RecordedArray):
            raise RecordingError("an array whose origin is known was changed")
        new = {**kwargs, "out": (out[0].shape, out[0].dtype)}
        return _wrapped(recorder, result, "ufunc", [ufunc.__name__, method], inputs, new)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        recorder = _recorder([*args, *kwargs.values()])
        result = function(*_plain(args), **_plain(kwargs))
        name = function.__name__
        if recorder is None or getattr(np, name, None) is not function:
            return result
        return _wrapped(recorder, result, "function", [name], args, kwargs)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise RecordingError("an array whose origin is known was changed")


def _recorder(values: Any) -> Recorder | None:
    """The recorder of the first recorded array among nested values."""
    for value in values:
        found = value.recorder if isinstance(value, RecordedArray) else None
        if isinstance(value, (list, tuple)):
            found = _recorder(value)
        if found is not None:
            return found
    return None


def _plain(value: Any) -> Any:
    """Nested values with plain arrays in place of those that record."""
    if isinstance(value, RecordedArray):
        return value.view(np.ndarray)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return type(value)(map(_plain, value)) if type(value) in (list, tuple) else value


def _wrapped(
    recorder: Recorder, result: Any, kind: str, names: list[str], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """The result of an operation as an array that records, if its operands can be recorded.

    A truth value stays as it is, because translation decides by it.
    """
    several = isinstance(result, (list, tuple)) and all(isinstance(item, np.ndarray) for item in result)
    decides = isinstance(result, (np.ndarray, np.generic)) and result.dtype.kind == "b" and result.ndim == 0
    if decides or not (several or isinstance(result, (np.ndarray, np.generic))):
        return result
    try:
        step = recorder.add(kind, *names, recorder.part(list(args)), recorder.parts(kwargs))
    except RecordingError:
        return result
    if not several:
        return recorder.recorded(np.asarray(result), step)
    return [recorder.recorded(item, recorder.add("item", {"step": step}, i)) for i, item in enumerate(result)]


def _recording(name: str) -> Callable[..., Any]:
    def method(self: RecordedArray, *args: Any, **kwargs: Any) -> Any:
        result = getattr(self.view(np.ndarray), name)(*_plain(args), **_plain(kwargs))
        if self.recorder is None or self.number is None:
            return result
        return _wrapped(self.recorder, result, "method", [name], (self, *args), kwargs)

    method.__name__ = name
    return method


for _name in (
    "__getitem__", "all", "any", "argsort", "astype", "clip", "copy", "cumsum", "diagonal", "dot", "flatten", "max",
    "mean", "min", "prod", "ravel", "repeat", "reshape", "round", "squeeze", "sum", "swapaxes", "take", "transpose",
):  # fmt: skip
    setattr(RecordedArray, _name, _recording(_name))
RecordedArray.T = property(lambda self: self.transpose())  # type: ignore[assignment]
