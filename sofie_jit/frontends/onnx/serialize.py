"""Writes the messages of :mod:`sofie_jit.frontends.onnx.proto`: the wire format of Protocol Buffers.

>>> from sofie_jit.frontends.onnx.proto import OperatorSetIdProto
>>> b"".join(serialize(OperatorSetIdProto(domain="a", version=300)))
b'\\n\\x01a\\x10\\xac\\x02'
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from sofie_jit.frontends.onnx.protobuf import FIXED32, FIXED64, KINDS, LENGTH, VARINT, Message

FORMATS = {FIXED32: "<f", FIXED64: "<d"}


def serialize(message: Message) -> list[bytes | memoryview]:
    """The bytes of ``message``, in pieces. Arrays of bytes are not copied.

    Fields that have their default values are left out, except those of a ``oneof``, whose presence has a meaning.
    """
    pieces: list[bytes | memoryview] = []
    for field in fields(message):  # type: ignore[arg-type]
        value = getattr(message, field.name)
        if value is None or (value == field.default and not field.metadata.get("oneof")):
            continue
        values = value if field.metadata.get("repeated") else [value]
        for each in values:
            pieces += _field(field.metadata["number"], field.metadata["kind"], each)
    return pieces


def _field(number: int, kind: str, value: Any) -> Iterator[bytes | memoryview]:
    if kind not in KINDS:
        pieces = serialize(value)
        yield varint(number << 3 | LENGTH) + varint(sum(map(len, pieces)))
        yield from pieces
        return
    wire = KINDS[kind].wire
    tag = varint(number << 3 | wire)
    if wire == VARINT:
        yield tag + varint(int(value))
    elif wire == LENGTH:
        data = value.encode() if isinstance(value, str) else value
        yield tag + varint(len(data))
        yield data
    else:
        yield tag + struct.pack(FORMATS[wire], value)


def varint(number: int) -> bytes:
    """An integer of variable length; negative ones as 64 bits.

    >>> varint(300), len(varint(-1))
    (b'\\xac\\x02', 10)
    """
    number &= (1 << 64) - 1
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
