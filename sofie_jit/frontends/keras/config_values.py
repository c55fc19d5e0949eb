"""Values of configs without the wrappers that JSON needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.errors import ModelFileError


def decode(value: Any) -> Any:
    """A value of a config without the wrappers that JSON needs: tuples, shapes, arrays, slices.

    Arrays become numpy arrays. References to tensors and to functions stay as they are.

    >>> decode({"class_name": "__tuple__", "items": [1, 2]})
    (1, 2)
    """
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    class_name, config = value.get("class_name"), value.get("config")
    if class_name == "__tuple__" and isinstance(value.get("items"), list):
        return tuple(decode(item) for item in value["items"])
    if class_name == "TensorShape" and isinstance(value.get("items"), list):
        return list(value["items"])
    if class_name == "__ellipsis__":
        return Ellipsis
    if class_name == "__slice__" and isinstance(config, Mapping):
        return slice(*(decode(config.get(key)) for key in ("start", "stop", "step")))
    if class_name in ("__numpy__", "__tensor__") and isinstance(config, Mapping):
        return _array(config.get("value"), config.get("dtype"))
    if set(value) == {"type", "value"} and value["type"] == "ndarray":  # Keras 1 and 2
        return value["value"]
    return {key: decode(item) for key, item in value.items()}


def _array(value: Any, dtype: Any) -> np.ndarray:
    try:
        array = np.asarray(value, "float32" if dtype == "bfloat16" else dtype)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"a constant of type {dtype!r} in the config is not an array: {error}") from error
    if array.dtype.kind not in "fiub":
        raise ModelFileError(f"a constant in the config has the type {array.dtype}; expected numbers")
    return array


def short(value: Any) -> str:
    """``repr(value)``, cut after some words, for messages."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
