"""Convert docstrings, which are written in reStructuredText, to Markdown for the reference pages of the site."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Docstrings(griffe.Extension):
    """Griffe extension that converts every docstring; it is registered in mkdocs.yml."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text: str) -> str:
    """Return ``text`` as Markdown.

    ``:func:`~a.b``` is replaced by its last name, doctests by code blocks, and lines that begin with an argument by
    list items.
    """
    text = re.sub(r":\w+:`~[\w.]*\.(\w+)`|:\w+:`([^`]+)`", lambda m: f"`{m[1] or m[2]}`", text)
    text = re.sub(r"^>>> .*\n?(?:^(?!$).*\n?)*", _code, text, flags=re.MULTILINE)
    return re.sub(r"^(``[^`]+``): ", r"\n* \1: ", text, flags=re.MULTILINE)


def _code(match: re.Match[str]) -> str:
    lines = [
        re.sub(r"^(>>>|\.\.\.) ?", "", line) if line.startswith((">>>", "...")) else f"# {line}"
        for line in match[0].splitlines()
    ]
    return "\n".join(["```python", *lines, "```", ""])
