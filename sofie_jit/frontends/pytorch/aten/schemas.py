"""Schemas of ATen operators: names, types and defaults of their arguments.

Files leave out arguments that have the default value, and TorchScript passes arguments by position. The schemas of the
operators that have a handler are in ``schemas.txt``; :mod:`sofie_jit.frontends.pytorch.aten.write_schemas` writes it.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sofie_jit.records import dataclass

FILE = Path(__file__).with_name("schemas.txt")

REQUIRED = object()
"""The default of an argument that must be given."""


@dataclass(frozen=True)
class Parameter:
    """An argument of an operator."""

    name: str
    type: str
    """The type of the argument or of the elements of a list, such as ``Tensor`` or ``int``."""
    is_list: bool
    optional: bool
    """Whether it may be None."""
    optional_elements: bool
    """Whether the elements of a list may be None."""
    alias: str
    """The name of the memory that it shares with a result; '' if it shares none."""
    writes: bool
    """Whether the operator changes it."""
    default: Any
    keyword_only: bool


@dataclass(frozen=True)
class Schema:
    """The arguments and results of one overload of an operator."""

    name: str
    """Such as ``add``."""
    overload: str
    """Such as ``Tensor``; '' for the default overload."""
    parameters: tuple[Parameter, ...]
    aliases: tuple[str, ...]
    """The name of the memory that each result shares with an argument; '' if it shares none."""

    def __str__(self) -> str:
        return f"{self.name}.{self.overload}" if self.overload else self.name

    @property
    def written(self) -> Parameter | None:
        """The argument that the operator changes."""
        return next((parameter for parameter in self.parameters if parameter.writes), None)


_SCHEMA = re.compile(r"(?P<name>\w+)(?:\.(?P<overload>\w+))?\((?P<arguments>.*)\) -> (?P<returns>.*)")
_TYPE = re.compile(
    r"(?P<type>\w+)(?:\((?P<alias>\w+)(?P<writes>!?)[^)]*\))?(?P<inner>\?)?(?P<list>\[\d*\])?(?P<optional>\?)?"
)


def parse(text: str) -> Schema:
    """Parses a schema as torch prints it, without the namespace.

    >>> parse("add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor").parameters[2].default
    1
    """
    found = _SCHEMA.fullmatch(text)
    if found is None:
        raise ValueError(f"not a schema: {text}")
    parameters, keyword_only = [], False
    for argument in _split(found["arguments"]):
        if argument == "*":
            keyword_only = True
        else:
            parameters.append(_parameter(argument, keyword_only))
    returns = found["returns"]
    listed = _split(returns[1:-1]) if returns.startswith("(") else [returns]
    aliases = tuple(_TYPE.match(text)["alias"] or "" for text in listed)  # type: ignore[index]
    return Schema(found["name"], found["overload"] or "", tuple(parameters), aliases)


def _split(text: str) -> list[str]:
    """The parts between commas that are not in brackets."""
    depth, parts = 0, [""]
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _parameter(text: str, keyword_only: bool) -> Parameter:
    declaration, _, default = text.partition("=")
    type_text, _, name = declaration.rpartition(" ")
    found = _TYPE.fullmatch(type_text)
    if found is None:
        raise ValueError(f"not a type: {type_text}")
    is_list = found["list"] is not None
    return Parameter(
        name=name,
        type=found["type"],
        is_list=is_list,
        optional=bool(found["optional"] or (found["inner"] and not is_list)),
        optional_elements=bool(found["inner"] and is_list),
        alias=found["alias"] or "",
        writes=bool(found["writes"]),
        default=_default(default) if default else REQUIRED,
        keyword_only=keyword_only,
    )


def _default(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except ValueError:
        return text  # the name of a constant, such as contiguous_format


@functools.cache
def schemas() -> Mapping[str, Sequence[Schema]]:
    """Name -> the overloads of every operator that has a handler, in the order in which torch tries them."""
    found: dict[str, list[Schema]] = {}
    for line in FILE.read_text("utf-8").splitlines():
        schema = parse(line)
        found.setdefault(schema.name, []).append(schema)
    return found
