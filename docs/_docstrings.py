"""Docstrings, which are written in reStructuredText, as Markdown for the reference of the site."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Docstrings(griffe.Extension):
    """Rewrites every docstring; mkdocs.yml names this class."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text: str) -> str:
    """``:func:`~a.b``` to its last name, doctests to code blocks, lines that begin with an argument to a list."""
    text = re.sub(r":\w+:`~[\w.]*\.(\w+)`|:\w+:`([^`]+)`", lambda m: f"`{m[1] or m[2]}`", text)
    text = re.sub(r"^>>> .*\n?(?:^(?!$).*\n?)*", _code, text, flags=re.MULTILINE)
    return re.sub(r"^(``[^`]+``): ", r"\n* \1: ", text, flags=re.MULTILINE)


def _code(match: re.Match[str]) -> str:
    lines = [
        re.sub(r"^(>>>|\.\.\.) ?", "", line) if line.startswith((">>>", "...")) else f"# {line}"
        for line in match[0].splitlines()
    ]
    return "\n".join(["```python", *lines, "```", ""])
