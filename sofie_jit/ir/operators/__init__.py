"""The operators of an RModel, named as in ONNX: ``from sofie_jit.operators import Gemm, Relu, Transpose``.

Their modules are imported when the first of them is asked for here.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sofie_jit.ir.operators.operator import ROperator


@functools.cache
def all_operators() -> dict[str, type[ROperator]]:
    """Every operator, and what groups of them derive from, by name."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    base = importlib.import_module(f"{__name__}.operator").ROperator
    found: dict[str, type[ROperator]] = {}
    for module in modules:
        for name, value in vars(module).items():
            ours = isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
            if ours and value is not base and not name.startswith("_"):
                if name in found:
                    raise ImportError(f"two operators are named {name}: in {found[name].__module__}, {module.__name__}")
                found[name] = value
    return found


def __getattr__(name: str) -> Any:
    if name[:1].isupper() and name in all_operators():  # others are modules, which are imported by their own names
        return all_operators()[name]
    raise AttributeError(f"module '{__name__}' has no operator '{name}'")


def __dir__() -> list[str]:
    return sorted(all_operators())
