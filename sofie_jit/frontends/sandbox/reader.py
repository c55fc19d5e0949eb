"""A reader by the name ``"module:function"``, so that another process can import it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, get_type_hints


def function(reader: str) -> Callable[..., Any]:
    """Imports a reader.

    >>> function("posixpath:basename")("/data/m.h5")
    'm.h5'
    """
    module, _, name = reader.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def result_type(reader: str) -> Any:
    """The annotated type of a reader's result, which is what may be sent from one process to another."""
    return get_type_hints(function(reader))["return"]
