"""Operators that return views of their argument: which they are, and how a change of a view changes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sofie_jit.frontends.pytorch.aten.registry import AtenCall
from sofie_jit.ir.builder import Symbol

MAY_COPY = frozenset(["reshape", "flatten", "contiguous", "reshape_as", "ravel"])
"""Operators that return a view or a copy, which depends on the strides of their argument."""

CONVERSIONS = frozenset(["to", "type_as", "_to_copy"])
"""Operators that return their argument if it has the wanted type, else a new tensor."""

Writer = Callable[[AtenCall, Symbol, Symbol, int | None, Mapping[str, Any]], Symbol]

WRITERS: dict[str, Writer] = {}
"""Operator -> function of the argument, the new value of a result, and its number: the new value of the argument."""


def writes(*names: str) -> Callable[[Writer], Writer]:
    """Registers how a change of a view changes the tensor that it is a view of."""

    def register(writer: Writer) -> Writer:
        WRITERS.update(dict.fromkeys(names, writer))
        return writer

    return register
