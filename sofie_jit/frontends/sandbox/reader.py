"""A function that reads model files, by a name that another process can import it by."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints


@dataclass(frozen=True)
class Reader:
    """The function ``"module:function"``.

    >>> from pathlib import PurePath
    >>> Reader("posixpath:basename")("/data/m.h5")
    'm.h5'
    """

    name: str

    @property
    def function(self) -> Callable[..., Any]:
        """The function; imports its module."""
        module, _, name = self.name.partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return function

    @property
    def result_type(self) -> Any:
        """The type of its result, which is what may be sent from one process to another."""
        return get_type_hints(self.function)["return"]

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)
