"""The message from a process that reads a model file to the process that asked for it: JSON and raw arrays, no pickle.

A hostile file may have taken over the process that reads it, so its message is checked like a file. The return
annotation of the reader says what the message contains: every value must have the annotated type, and only the
dataclasses that the annotation names are created. Supported are ``None``, ``bool``, ``int``, ``float``, ``str``,
``bytes``, ``numpy.ndarray`` of numbers, ``list``, ``tuple``, ``dict`` with text as keys, unions and dataclasses of
these, and ``Any`` for a value of JSON.

A message is the length of the JSON (8 bytes, little-endian), the JSON, and the bytes of the arrays in the order in
which the JSON mentions them.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Union, get_args, get_origin, get_type_hints

import numpy as np

from sofie_jit import errors
from sofie_jit.errors import ModelFileError, SofieError
from sofie_jit.frontends.limits import check_values


def send(out: BinaryIO, path: str | Path, read: Callable[[], Any], result_type: Any) -> None:
    """Writes the result of ``read``, which is of ``result_type``, or the exception that it raises.

    ``path`` is the file that is read, for the message of an exception that no reader should raise.
    """
    arrays: list[np.ndarray] = []
    try:
        text = json.dumps({"result": _encode(read(), result_type, arrays)})
    except SofieError as error:
        text, arrays = _error(type(error).__name__, str(error)), []
    except OSError as error:  # no permission, a disk that fails
        given = [error.errno, error.strerror, error.filename and str(error.filename)] if error.errno else [str(error)]
        text, arrays = _error("OSError", given), []
    except Exception as error:
        why = f"cannot be read ({type(error).__name__}: {error}); this is a bug of sofie_jit"
        text, arrays = _error("ModelFileError", f"'{path}' {why}"), []
    data = text.encode()
    out.write(len(data).to_bytes(8, "little") + data)
    for array in arrays:
        out.write(array.data.cast("B") if array.size else b"")
    out.flush()


def _error(name: str, message: Any) -> str:
    return json.dumps({"error": name, "message": message})


def receive(stream: BinaryIO, path: Path, result_type: Any) -> Any:
    """The value of ``result_type`` that :func:`send` wrote.

    Raises the exception that was sent, EOFError if the sender ended too early, and ModelFileError if the message has
    another form.
    """
    try:
        header = json.loads(_exactly(stream, int.from_bytes(_exactly(stream, 8), "little")))
        if "error" in header:
            raise _exception(header["error"], header["message"])
        return _decode(header["result"], result_type, stream)
    except (SofieError, OSError, EOFError):
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, MemoryError, RecursionError) as error:
        raise ModelFileError(f"'{path}': the process that read it sent a malformed message ({error})") from error


def _exception(name: str, message: Any) -> Exception:
    if name == "OSError":
        return OSError(*message)
    kind = getattr(errors, name)
    if not (isinstance(kind, type) and issubclass(kind, SofieError) and isinstance(message, str)):
        raise ValueError(f"an error {name!r}")
    return kind(message)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    found = stream.read(count)
    if len(found) < count:
        raise EOFError
    return found


# -- values by their annotated type ----------------------------------------------------------------------------------

SCALARS = (bool, int, float, str)


@functools.cache
def _fields(kind: type) -> dict[str, Any]:
    """Name -> annotated type of a dataclass's fields."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _encode(value: Any, kind: Any, arrays: list[np.ndarray]) -> Any:
    """``value`` as JSON; its arrays are appended to ``arrays``. Raises TypeError if it is not of type ``kind``."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value  # json.dumps refuses what is not JSON
    if origin in (Union, types.UnionType):
        index = next((i for i, member in enumerate(arguments) if _is_of(value, member)), None)
        if index is None:
            raise TypeError(f"found {type(value).__name__} where {kind} is declared")
        return [index, _encode(value, arguments[index], arrays)]
    if not _is_of(value, kind):
        raise TypeError(f"found {type(value).__name__} where {kind} is declared")
    if kind in (bytes, np.ndarray):
        array = np.ascontiguousarray(np.frombuffer(value, np.uint8) if kind is bytes else value)
        arrays.append(array)
        return [array.dtype.str, list(np.shape(value)) if kind is np.ndarray else [array.size]]
    if dataclasses.is_dataclass(kind):
        return [_encode(getattr(value, name), hint, arrays) for name, hint in _fields(kind).items()]  # type: ignore[arg-type]
    if origin is list:
        return [_encode(item, arguments[0], arrays) for item in value]
    if origin is tuple:
        return [_encode(item, hint, arrays) for item, hint in zip(value, _members(arguments, len(value)), strict=True)]
    if origin in (dict, Mapping):
        return {key: _encode(item, arguments[1], arrays) for key, item in value.items()}
    return value


def _decode(value: Any, kind: Any, stream: BinaryIO) -> Any:
    """The inverse of :func:`_encode`; raises ValueError, TypeError or LookupError for JSON of another form."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        check_values(value, "a message")
        return value
    if origin in (Union, types.UnionType):
        index, encoded = value
        return _decode(encoded, arguments[range(len(arguments))[index]], stream)
    if kind in (bytes, np.ndarray):
        dtype, shape = np.dtype(value[0]), value[1]
        if dtype.kind not in "fiubc" or any(type(size) is not int or size < 0 for size in shape):
            raise ValueError(f"an array of type {dtype} and shape {shape}")
        data = _exactly(stream, dtype.itemsize * math.prod(shape))
        return data if kind is bytes else np.frombuffer(data, dtype).reshape(shape)
    if dataclasses.is_dataclass(kind):
        fields = _fields(kind).items()  # type: ignore[arg-type]
        decoded = {name: _decode(item, hint, stream) for item, (name, hint) in zip(value, fields, strict=True)}
        return kind(**decoded)  # type: ignore[operator]
    if origin in (list, tuple):
        if not isinstance(value, list):
            raise TypeError(f"found {type(value).__name__} where {kind} is declared")
        hints = _members(arguments, len(value)) if origin is tuple else arguments * len(value)
        return origin(_decode(item, hint, stream) for item, hint in zip(value, hints, strict=True))
    if not _is_of(value, kind):
        raise TypeError(f"found {type(value).__name__} where {kind} is declared")
    if origin in (dict, Mapping):
        return {key: _decode(item, arguments[1], stream) for key, item in value.items()}
    return value


def _members(arguments: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    """The types of a tuple's members; ``tuple[int, ...]`` has any number of one type."""
    return arguments[:1] * count if arguments[1:] == (...,) else arguments


def _is_of(value: Any, kind: Any) -> bool:
    """Whether ``value`` is of type ``kind``, without regard to the types of its members."""
    origin = get_origin(kind)
    if kind is Any:
        return True
    if kind in SCALARS:
        return type(value) is kind or (kind is float and type(value) is int)
    if kind in (types.NoneType, bytes, np.ndarray):
        return isinstance(value, kind)
    if origin is tuple:
        return isinstance(value, (tuple, list))
    if origin in (list, dict, Mapping):
        return isinstance(value, origin)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return type(value) is kind
    raise TypeError(f"a reader cannot return {kind}: this type is not sent between processes")
