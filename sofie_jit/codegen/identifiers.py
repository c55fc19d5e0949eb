"""Converts text of a model file to C++ source; no other module does so."""

from __future__ import annotations

import re

from sofie_jit.errors import GraphError

MAX_LENGTH = 64

KEYWORDS = re.compile(
    r"alignas|alignof|and|and_eq|asm|auto|bitand|bitor|bool|break|case|catch|char|char8_t|char16_t|"
    r"char32_t|class|co_await|co_return|co_yield|compl|concept|const|const_cast|consteval|constexpr|"
    r"constinit|continue|decltype|default|delete|do|double|dynamic_cast|else|enum|explicit|export|"
    r"extern|false|float|for|friend|goto|if|inline|int|long|mutable|namespace|new|noexcept|not|"
    r"not_eq|nullptr|operator|or|or_eq|private|protected|public|register|reinterpret_cast|requires|"
    r"return|short|signed|sizeof|static|static_assert|static_cast|struct|switch|template|this|"
    r"thread_local|throw|true|try|typedef|typeid|typename|union|unsigned|using|virtual|void|volatile|"
    r"wchar_t|while|xor|xor_eq|std"
)
"""Names that a namespace cannot have."""


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


def literal(text: str) -> str:
    """``text`` as a C++ string literal; all but plain characters as the octal codes of their bytes."""
    plain = re.compile(rb"[A-Za-z0-9_ .,:;=+<>()\[\]/-]")
    codes = (bytes([code]) for code in text.encode("utf-8", "surrogateescape"))
    return '"' + "".join(c.decode() if plain.match(c) else f"\\{c[0]:03o}" for c in codes) + '"'


def qualified(name: str) -> str:
    """``name``, if a C++ namespace can be called so, ``a::b`` included; GraphError if not."""
    part = r"(?!_)(?!\w*__)[A-Za-z0-9_]+"
    words = name.split("::")
    if not all(re.fullmatch(part, word) and not word[0].isdigit() and not KEYWORDS.fullmatch(word) for word in words):
        raise GraphError(f"a C++ namespace such as my_model or physics::my_model was expected, got {name!r}")
    return name
