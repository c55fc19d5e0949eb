"""Bounds on what a model file may declare: JSON that is checked before it is used, and sizes that must be stored."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sofie_jit.errors import ModelFileError
from sofie_jit.records import dataclass

MAX_DEPTH = 200
"""Maximum nesting of JSON; deeper values are rejected as malformed. A nested Keras model takes four levels."""
BOMB_BYTES = 1 << 28
BOMB_RATIO = 100
"""A file that declares more than BOMB_BYTES must not declare more than BOMB_RATIO times the bytes that it stores."""
JSON_BYTES = 1 << 24
JSON_RATIO = 4
"""The same bounds for JSON and vocabularies, which take about twenty times their size in memory once they are read."""


def parse_json(text: str | bytes, what: str) -> Any:
    """Parses JSON text that describes a model and checks its values.

    ``what`` names the text in messages. Raises ModelFileError if the text is not JSON or if :func:`check_values`
    rejects its value.

    >>> parse_json('{"units": 3}', "config.json")
    {'units': 3}
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ModelFileError(f"{what}: the JSON is nested too deeply for a model") from error
    except ValueError as error:
        start = text[:40].decode("utf-8", "replace") if isinstance(text, bytes) else text[:40]
        raise ModelFileError(f"{what} is not valid JSON ({error}); it begins with {start!r}") from error
    check_values(value, what)
    return value


def check_values(value: Any, what: str) -> None:
    """Rejects a JSON value that no model contains, so that later code may recurse into it and print it.

    Raises ModelFileError, which begins with ``what``, for nesting deeper than MAX_DEPTH, integers of more than 64 bits,
    and lone surrogates, which cannot be encoded as UTF-8.
    """
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for node in level:
            if isinstance(node, str):  # the most frequent kind: 58 % of the values of MobileNetV2
                if not node.isascii() and re.search("[\ud800-\udfff]", node):
                    raise ModelFileError(f"{what}: it contains text that is not Unicode, {node!a:.60}")
            elif isinstance(node, int):
                if not -(1 << 63) <= node < 1 << 64:
                    raise ModelFileError(f"{what}: it contains an integer of {node.bit_length()} bits; no model does")
            elif isinstance(node, (list, tuple)):
                below.extend(node)
            elif isinstance(node, Mapping):
                below.extend(node.keys())
                below.extend(node.values())
        if not below:
            return
        level = below
    raise ModelFileError(f"{what}: it is nested more than {MAX_DEPTH} levels deep; no model is")


@dataclass
class Sizes:
    """The bytes that a file declares, and those that it stores, added up over the parts that were read."""

    path: str | Path
    declared: int = 0
    stored: int = 0

    def add(self, what: str, declared: int, stored: int, error: type[ModelFileError]) -> None:
        """Adds one part; raises ``error`` if the sum is a decompression bomb, made of one large or many small parts."""
        self.declared += declared
        self.stored += stored
        if self.declared > BOMB_BYTES and self.declared > BOMB_RATIO * max(self.stored, 1):
            raise error(f"'{self.path}': {what}, with the parts before it, {too_large(self.declared, self.stored)}")


def too_large(declared: int, stored: int) -> str:
    """The end of a message about a part that declares far more bytes than it stores."""
    return (
        f"declares {declared:,} bytes but stores {stored:,}; real weights do not compress that well, the file is "
        "damaged or hostile"
    )
