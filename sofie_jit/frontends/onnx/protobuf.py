"""Reads messages of Protocol Buffers from memory: the wire format, without a dependency.

A message is a dataclass that derives from :class:`Message`, whose fields are declared with :func:`optional` and
:func:`repeated`; these declarations are all that :meth:`Message.parse` knows about a message. It follows the rules of
Protocol Buffers: unknown fields are skipped, the last value of a singular field counts, singular messages that are
given twice are merged, and repeated numbers may be packed or not. The file is not trusted: each length must fit into
the enclosing message, nesting and the number of fields are bounded, and groups and malformed integers are refused.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Point(Message):
...     x: int = optional(1, "int64")
...     names: Sequence[str] = repeated(2, "string")
>>> Point.parse(b"\\x08\\x96\\x01\\x12\\x01a\\x12\\x01b")
Point(x=150, names=['a', 'b'])
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from dataclasses import field, fields
from typing import Any, NamedTuple, TypeVar

import numpy as np

from sofie_jit.errors import ModelFileError

M = TypeVar("M", bound="Message")

MAX_DEPTH = 100
"""Maximum nesting of messages, the limit of Google's parsers."""
MAX_FIELDS = 1_500_000
"""Maximum number of fields of a message and the messages in it, elements of packed arrays not counted. Each takes about
1 us and 100 bytes. A graph of 50,000 nodes has a million."""
MESSAGE_FIELDS = 3
"""A message takes as much time and memory as this number of fields."""

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
WIRE_TYPES = {0: "an integer", 1: "8 bytes", 2: "bytes", 3: "a group", 4: "the end of a group", 5: "4 bytes"}
WIDTHS = {FIXED64: 8, FIXED32: 4}


class Kind(NamedTuple):
    """A type of values: how one is stored, and how it is read from an integer or from the bytes of a field."""

    wire: int
    read: Callable[[Any], Any]
    dtype: str = ""
    """The element type of a packed array."""
    default: Any = None


KINDS = {
    "int32": Kind(VARINT, lambda raw: ((raw & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000, "i4", 0),
    "int64": Kind(VARINT, lambda raw: (raw ^ (1 << 63)) - (1 << 63), "i8", 0),
    "uint64": Kind(VARINT, lambda raw: raw, "u8", 0),
    "float": Kind(FIXED32, lambda data: struct.unpack("<f", data)[0], "f4", 0.0),
    "double": Kind(FIXED64, lambda data: struct.unpack("<d", data)[0], "f8", 0.0),
    "string": Kind(LENGTH, lambda data: str(data, "utf-8"), default=""),
    "text": Kind(LENGTH, lambda data: str(data, "utf-8", "replace"), default=""),
    "bytes": Kind(LENGTH, bytes, default=b""),
    "view": Kind(LENGTH, lambda data: data, default=memoryview(b"")),
}
"""Types of fields. A ``text`` is a string that may contain invalid UTF-8, for text that no other part of the file
refers to. A ``view`` is bytes that are not copied."""


def optional(number: int, kind: str, *, oneof: str = "") -> Any:
    """Declares a singular field: one of :data:`KINDS`, or the name of a message.

    Fields with the same ``oneof`` exclude each other; the last one in the file counts. They and messages are None if
    the file does not have them; other fields have the default of their type.
    """
    default = None if oneof or kind not in KINDS else KINDS[kind].default
    return field(default=default, metadata={"number": number, "kind": kind, "oneof": oneof})


def repeated(number: int, kind: str) -> Any:
    """Declares a repeated field of strings, bytes, or messages, or of few numbers; an empty sequence by default."""
    return field(default=(), metadata={"number": number, "kind": kind, "repeated": True})


def array(number: int, kind: str) -> Any:
    """Declares a repeated field of many numbers, as a list of arrays and numbers; see :func:`joined`."""
    return field(default=(), metadata={"number": number, "kind": kind, "repeated": True, "array": True})


def joined(parts: Any, kind: str) -> np.ndarray:
    """The values of an :func:`array` field of type ``kind``.

    >>> joined([np.int64([1, 2]), 3], "int64")
    array([1, 2, 3])
    """
    if len(parts) == 1 and isinstance(parts[0], np.ndarray):
        return parts[0]
    dtype = np.dtype(KINDS[kind].dtype)
    joined = np.empty(sum(part.size if isinstance(part, np.ndarray) else 1 for part in parts), dtype)
    place = 0
    for part in parts:
        size = part.size if isinstance(part, np.ndarray) else 1
        joined[place : place + size] = part
        place += size
    return joined


class Entry(NamedTuple):
    """What the parser has to know about a field that begins with a certain tag."""

    name: str
    read: Callable[[Any], Any] | None
    """None for a message."""
    message: type[Message] | None
    is_repeated: bool
    rivals: tuple[str, ...]
    """The other fields of its ``oneof``."""
    packed: Kind | None
    """The type of the numbers of a packed field."""
    is_array: bool


class Message:
    """Base class of messages."""

    @classmethod
    def parse(cls: type[M], data: bytes | memoryview) -> M:
        """Reads a message that takes all of ``data``.

        Raises ModelFileError, which names the message, the field, and the place in ``data``.
        """
        return _Parser(memoryview(data)).message(cls, 0, len(data), {}, 0)


_KNOWN: dict[type[Message], dict[int, Entry]] = {}
"""The entries of messages that were parsed before."""


def _entries(kind: type[Message]) -> dict[int, Entry]:
    """Tag -> field. A tag is the field's number and its wire type; packed numbers have another one than single ones."""
    if kind in _KNOWN:
        return _KNOWN[kind]
    entries: dict[int, Entry] = {}
    declared = [(f.name, f.metadata) for f in fields(kind)]  # type: ignore[arg-type]
    for name, options in declared:
        oneof, number = options.get("oneof"), options["number"]
        rivals = tuple(n for n, other in declared if oneof and n != name and other.get("oneof") == oneof)
        is_array, is_repeated = options.get("array", False), options.get("repeated", False)
        scalar = KINDS.get(options["kind"])
        if scalar is None:
            message = getattr(sys.modules[kind.__module__], options["kind"])
            entries[number << 3 | LENGTH] = Entry(name, None, message, is_repeated, rivals, None, False)
            continue
        entries[number << 3 | scalar.wire] = Entry(name, scalar.read, None, is_repeated, rivals, None, False)
        if is_repeated and scalar.dtype:
            entries[number << 3 | LENGTH] = Entry(name, None, None, True, (), scalar, is_array)
    _KNOWN[kind] = entries
    return entries


class _Parser:
    """Reads messages from ``data`` and counts their fields."""

    def __init__(self, data: memoryview):
        self.data = data
        self.fields_left = MAX_FIELDS

    def message(self, kind: type[M], start: int, end: int, values: dict[str, Any], depth: int) -> M:
        """The message in ``data[start:end]``, merged into ``values``, which are those of an earlier one."""
        if depth > MAX_DEPTH:
            raise _error(kind, start, f"it is nested more than {MAX_DEPTH} messages deep")
        self.count(MESSAGE_FIELDS, kind, start)
        entries, place = _entries(kind), start
        while place < end:
            self.count(1, kind, place)
            tag, number, begin, place = self.field(kind, place, end)
            entry = entries.get(tag)
            if entry is None:
                _check_unknown(kind, tag, place)
            elif entry.message is not None:
                known = None if entry.is_repeated else values.get(entry.name)
                given = vars(known) if known else {}
                _store(values, entry, self.message(entry.message, begin, place, given, depth + 1))
            elif entry.packed is not None:
                if not entry.is_array:
                    self.count(place - begin, kind, begin)
                numbers = _unpacked(kind, entry.name, entry.packed, self.data[begin:place], begin)
                if entry.is_array:
                    _store(values, entry, numbers)
                else:
                    values.setdefault(entry.name, []).extend(numbers.tolist())
            else:
                _store(values, entry, _single(kind, entry, self.data[begin:place] if number is None else number, begin))
        message = object.__new__(kind)
        vars(message).update(values)  # absent fields have the defaults of the class
        return message

    def field(self, kind: type[Message], place: int, end: int) -> tuple[int, int | None, int, int]:
        """The tag of the field at ``place``, its value if it is an integer, and where its value begins and ends."""
        data = self.data
        tag, begin = data[place], place + 1
        if tag >= 0x80:
            tag, begin = _varint(data, place, end, kind)
            if begin > place + 5 or tag >> 32:
                raise _error(kind, place, "the number of a field takes more than 32 bits")
        wire = tag & 7
        if wire == VARINT:
            number, after = _varint(data, begin, end, kind)
            return tag, number, begin, after
        if wire == LENGTH:
            size, begin = _varint(data, begin, end, kind)
        elif wire in WIDTHS:
            size = WIDTHS[wire]
        else:
            raise _error(kind, place, f"{_field(kind, tag)} is {WIRE_TYPES.get(wire, 'of no known type')}")
        if size > end - begin:
            raise _error(kind, begin, f"{_field(kind, tag)} needs {size:,} bytes; {end - begin:,} are left")
        return tag, None, begin, begin + size

    def count(self, fields: int, kind: type[Message], place: int) -> None:
        """Counts ``fields``; raises ModelFileError if there are too many."""
        self.fields_left -= fields
        if self.fields_left < 0:
            raise _error(kind, place, f"the file has more than {MAX_FIELDS:,} fields")


def _store(values: dict[str, Any], entry: Entry, value: Any) -> None:
    if entry.is_repeated:
        values.setdefault(entry.name, []).append(value)
        return
    for rival in entry.rivals:
        values.pop(rival, None)
    values[entry.name] = value


def _single(kind: type[Message], entry: Entry, raw: Any, place: int) -> Any:
    """The value of a field that is no message, of which ``raw`` has the integer or the bytes."""
    try:
        return entry.read(raw)  # type: ignore[misc]
    except UnicodeDecodeError as error:
        raise _error(kind, place, f"{entry.name} is not text in UTF-8: {bytes(raw[:40])!r}") from error


def _varint(data: memoryview, place: int, end: int, kind: type[Message]) -> tuple[int, int]:
    """The integer of variable length at ``place``, and the place after it."""
    if place < end and data[place] < 0x80:
        return data[place], place + 1
    value, start = 0, place
    for shift in range(0, 70, 7):
        if place >= end:
            raise _error(kind, start, "an integer is cut off")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, place
    raise _error(kind, start, "an integer has more than 64 bits")


def _unpacked(kind: type[Message], name: str, scalar: Kind, raw: memoryview, place: int) -> np.ndarray:
    """The numbers of a packed field."""
    dtype = np.dtype(scalar.dtype)
    if not len(raw):
        return np.zeros(0, dtype)
    if scalar.wire == VARINT:
        try:
            numbers = decode_varints(np.frombuffer(raw, np.uint8))
        except ValueError as error:
            raise _error(kind, place, f"{name}: {error}") from error
        return numbers.view(dtype) if dtype.itemsize == 8 else numbers.astype(dtype)
    if len(raw) % dtype.itemsize:
        raise _error(kind, place, f"{name}: {len(raw)} bytes are no whole number of elements of {dtype.itemsize}")
    return np.frombuffer(raw, dtype.newbyteorder("<"))


CHUNK = 1 << 16


def decode_varints(data: np.ndarray) -> np.ndarray:
    """The integers of variable length of which ``data``, an array of bytes, consists, as uint64.

    Raises ValueError if the last one is cut off, or if one has more than 64 bits.

    >>> decode_varints(np.uint8([1, 0x96, 1])).tolist()
    [1, 150]
    """
    if data.size and data[-1] >= 0x80:
        raise ValueError("an integer is cut off")
    values = np.zeros(np.count_nonzero(data < 0x80), np.uint64)
    done = begin = 0
    while begin < data.size:  # in pieces, because the temporary arrays take 30 times the memory of the data
        piece = data[begin : begin + CHUNK]
        ends = np.flatnonzero(piece < 0x80) + 1
        if not ends.size:
            raise ValueError("an integer has more than 64 bits")
        starts = np.concatenate([[0], ends[:-1]])
        lengths = ends - starts
        longest = lengths.max()
        if longest > 10 or (longest == 10 and (piece[ends[lengths == 10] - 1] > 1).any()):
            raise ValueError("an integer has more than 64 bits")
        found = values[done : done + ends.size]
        for digit in range(longest):
            has_digit = np.flatnonzero(lengths > digit)
            digits = piece[starts[has_digit] + digit].astype(np.uint64) & np.uint64(0x7F)
            found[has_digit] |= digits << np.uint64(7 * digit)
        done += ends.size
        begin += int(ends[-1])
    return values


def _field(kind: type[Message], tag: int) -> str:
    names = [f.name for f in fields(kind) if f.metadata["number"] == tag >> 3]  # type: ignore[arg-type]
    return names[0] if names else f"field {tag >> 3}"


def _check_unknown(kind: type[Message], tag: int, place: int) -> None:
    """Accepts a field that the declaration lacks; refuses one that it has with another wire type."""
    number = tag >> 3
    if number == 0 or number >= 1 << 29:
        raise _error(kind, place, f"a field has the number {number}")
    if any(known >> 3 == number for known in _entries(kind)):
        raise _error(kind, place, f"{_field(kind, tag)} is stored as {WIRE_TYPES[tag & 7]}")


def _error(kind: type[Message], place: int, problem: str) -> ModelFileError:
    return ModelFileError(f"damaged {kind.__name__} at byte {place:,}: {problem}")
