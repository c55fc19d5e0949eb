"""The operators of an RModel, named as in ONNX: ``from sofie_jit.operators import Gemm, Relu, Transpose``.

An operator that ONNX has is ONNX's, in the newest opset: attributes have its names and defaults, and ``evaluate`` has
its meaning. The rules:

* Operands that ONNX passes as input tensors, but that are known when a graph is read (shapes, axes, pads, starts, K,
  the limits of Clip), are attributes here, under the name of ONNX's input.
* Flags are bools, element types are names of numpy dtypes, and indices that an operator returns are int32.
* ``extensions.py`` lists attributes beyond ONNX and defaults that differ from ONNX's; ``unsupported.py`` lists
  attributes, inputs and outputs of ONNX that are missing.
* All inputs of an operator have one element type, unless stated otherwise.

Operators that ONNX lacks (``Expm1``, ``HashBucket``, ``Resample``, ...) are defined by their docstrings.

The modules are imported when the first operator is asked for here.
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
    """Every operator, and the base classes of groups of operators, by name."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    base = importlib.import_module(f"{__name__}.operator").ROperator
    found: dict[str, type[ROperator]] = {}
    for module in modules:
        for name, value in vars(module).items():
            defined = isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
            if defined and value is not base and not name.startswith("_"):
                if name in found:
                    raise ImportError(f"two operators are named {name}: in {found[name].__module__}, {module.__name__}")
                found[name] = value
    return found


def __getattr__(name: str) -> Any:
    if name[:1].isupper() and name in all_operators():  # other names are modules
        return all_operators()[name]
    raise AttributeError(f"module '{__name__}' has no operator '{name}'")


def __dir__() -> list[str]:
    return sorted(all_operators())
