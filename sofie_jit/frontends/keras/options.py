"""Finds the options that a handler reads and its refusals in its source, so that the documentation is up to date.

Options are read as ``config["units"]``, ``call.config.get("units")``, ``"units" in config``, as ``config[key]`` in a
loop over names, or by a helper with a parameter ``option``: ``per_axis(call, "strides", count)``. The functions of the
handlers' modules that a handler calls are searched too, also if it takes them from a table by class name.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from sofie_jit.records import dataclass

PACKAGE = "sofie_jit.frontends.keras.layers"
HANDLERS_EXCEPT = (f"{PACKAGE}.registry", f"{PACKAGE}.call")
"""Modules of the package that are not searched: they call handlers."""
ALL = "*"
"""Stands for all options, where a handler ignores all of them."""


@dataclass(frozen=True)
class Reading:
    """The options and refusals in the source of a handler."""

    read: frozenset[str]
    """Options that it reads."""
    ignored: frozenset[str]
    """Options that it declares to have no influence; :data:`ALL` for all others."""
    refusals: tuple[str, ...]
    """The messages of its refusals, with expressions in braces."""


def reading(handler: Callable[..., Any], class_name: str) -> Reading:
    """The :class:`Reading` of the handler of a class; an empty one for a handler that is made by another function."""
    read: set[str] = set()
    ignored: set[str] = set()
    refusals: dict[str, None] = {}
    for function in _reached(handler, class_name):
        looped = {node.slice.id for node in _nodes(function) if isinstance(node, ast.Subscript)
                  and isinstance(node.slice, ast.Name) and _is_config(node.value)}  # fmt: skip
        for node in _nodes(function):
            read.update(_options_read(node, looped, function.__globals__))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr == "ignore" and _is_config(node.func.value):
                    ignored.update(_strings(node.args))
                    ignored.update(ALL for part in node.args if isinstance(part, ast.Starred))
                if node.func.attr == "refuse" and node.args:
                    refusals[_text(node.args[0])] = None
    return Reading(frozenset(read), frozenset(ignored - read), tuple(refusals))


def _reached(handler: Callable[..., Any], class_name: str) -> list[Callable[..., Any]]:
    """``handler`` and the functions of the handlers' modules that it calls, directly or indirectly."""
    found: list[Callable[..., Any]] = []
    waiting: list[Any] = [handler]
    while waiting:
        function = waiting.pop()
        if isinstance(function, dict):
            waiting += [function[class_name]] if class_name in function else function.values()
        elif _is_searched(function) and function not in found:
            found.append(function)
            names = {node.id for node in _nodes(function) if isinstance(node, ast.Name)}
            waiting += [function.__globals__[name] for name in sorted(names) if name in function.__globals__]
    return found


def _is_searched(function: Any) -> bool:
    if not inspect.isfunction(function) or not function.__qualname__.isidentifier():  # a lambda or a nested function
        return False
    module = function.__module__ or ""  # it is None for a function of exec
    return module.startswith(PACKAGE) and module not in HANDLERS_EXCEPT


@functools.cache
def _nodes(function: Callable[..., Any]) -> list[ast.AST]:
    """The nodes of the syntax tree of a function."""
    return list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))))


def _options_read(node: ast.AST, looped: set[str], names: dict[str, Any]) -> Iterator[str]:
    """The options that one node of a syntax tree reads; ``looped`` are variables that hold names of options."""
    if isinstance(node, ast.Subscript) and _is_config(node.value):
        yield from _strings([node.slice])
    elif isinstance(node, ast.Compare) and any(map(_is_config, node.comparators)):
        yield from _strings([node.left])
    elif isinstance(node, (ast.comprehension, ast.For)) and isinstance(node.iter, (ast.Tuple, ast.List)):
        if isinstance(node.target, ast.Name) and node.target.id in looped:
            yield from _strings(node.iter.elts)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "get" and _is_config(node.func.value):
            yield from _strings(node.args[:1])
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        helper = names.get(node.func.id)
        parameters = list(inspect.signature(helper).parameters) if inspect.isfunction(helper) else []
        if "option" in parameters:
            yield from _strings(node.args[parameters.index("option") :][:1])


def _is_config(node: ast.AST) -> bool:
    return (isinstance(node, ast.Name) and node.id == "config") or (
        isinstance(node, ast.Attribute) and node.attr == "config"
    )


def _strings(nodes: list[Any]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _text(message: ast.expr) -> str:
    """A message as it is written in the source, without quotes."""
    parts = message.values if isinstance(message, ast.JoinedStr) else [message]
    return "".join(
        str(part.value) if isinstance(part, ast.Constant)
        else "{" + ast.unparse(part.value if isinstance(part, ast.FormattedValue) else part) + "}"
        for part in parts
    )  # fmt: skip
