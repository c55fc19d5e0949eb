"""The only door through which text of a model file reaches C++ source."""

from __future__ import annotations

import re

MAX_LENGTH = 64


def identifier(name: str, prefix: str, taken: set[str]) -> str:
    """A valid C++ identifier that starts with ``prefix`` and resembles ``name``; unique, and added to ``taken``.

    Only ASCII letters, digits and single underscores survive. ``prefix`` must be the generator's own text, so that
    neither keywords nor reserved or foreign names can result.
    """
    text = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9]", "_", prefix + name)).strip("_")[:MAX_LENGTH].rstrip("_")
    unique, number = text, 1
    while unique in taken:
        number += 1
        unique = f"{text}_{number}"
    taken.add(unique)
    return unique


def comment(text: str) -> str:
    """``text`` made harmless inside a ``//`` comment: one short line of plain characters."""
    return re.sub(r"[^A-Za-z0-9_ .,:;=+<>()\[\]/-]", "_", text)[:160].replace("/*", "/_").replace("*/", "_/").strip()
