"""Objects of TorchScript: modules and others, their methods, and functions that are not of the archive's code."""

from __future__ import annotations

import ast
from typing import Any

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.frontends.pytorch.script.code import ScriptClass


class ScriptObject:
    """A module, or another object of a class of the archive."""

    def __init__(self, kind: ScriptClass | None, name: str, path: str, attributes: dict[str, Any], *, is_module: bool):
        self.kind = kind
        self.name = name
        self.path = path
        """Its path from the root module."""
        self.attributes = attributes
        self.is_module = is_module
        """Whether it belongs to the file; other objects are made by the code, and may change."""


class Method:
    """A method of an object."""

    def __init__(self, owner: ScriptObject, definition: ast.FunctionDef):
        self.owner = owner
        self.definition = definition


class Builtin:
    """A function such as ``torch.add``, or a namespace such as ``torch``."""

    def __init__(self, name: str):
        self.name = name


class ComputedRange:
    """A range of numbers whose length is known only when the model runs."""

    def __init__(self, start: Any, step: int, length: Any):
        self.start = start
        self.step = step
        self.length = length
        """A number that the model computes, or an open size; no element if it is negative."""


def _refuse(*arguments: Any) -> Any:
    raise UnsupportedLayerError(
        "it changes a list or dict of the module, which later calls would use; such state is not supported"
    )


class ModuleList(list[Any]):
    """A list that belongs to the file."""

    append = extend = insert = pop = reverse = __setitem__ = __delitem__ = _refuse


class ModuleDict(dict[Any, Any]):
    """A dict that belongs to the file."""

    pop = __setitem__ = __delitem__ = _refuse
