"""Keras, ONNX and PyTorch models as JIT-compiled C++: ``sofie_jit.load("m.h5").infer(x)``.

This module contains only names; each is imported from its module when it is first used. Importing the package is
therefore cheap: cppyy starts when the first model is compiled, h5py is imported when the first file is read, and
TensorFlow is never imported.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sofie_jit.errors import (
    CompileError,
    DtypeError,
    GraphError,
    InputError,
    MissingDependencyError,
    ModelFileError,
    OptionError,
    OutOfMemoryError,
    OutOfRangeError,
    ShapeError,
    SofieError,
    UnsupportedLayerError,
    VerificationError,
    WeightsError,
)
from sofie_jit.version import __version__ as __version__

if TYPE_CHECKING:
    from sofie_jit import dask, operators, ops
    from sofie_jit.extend import KernelOperator, register_layer, unregister_layer
    from sofie_jit.frontends.keras.support import supported_layers
    from sofie_jit.frontends.onnx.nodes.registry import register_operator, unregister_operator
    from sofie_jit.frontends.onnx.support import supported_operators
    from sofie_jit.ir.rmodel import RModel
    from sofie_jit.loading import check, load
    from sofie_jit.models.model import Model
    from sofie_jit.verification.comparison import compare


__all__ = [
    "CompileError",
    "DtypeError",
    "GraphError",
    "InputError",
    "KernelOperator",
    "MissingDependencyError",
    "Model",
    "ModelFileError",
    "OptionError",
    "OutOfMemoryError",
    "OutOfRangeError",
    "RModel",
    "ShapeError",
    "SofieError",
    "UnsupportedLayerError",
    "VerificationError",
    "WeightsError",
    "check",
    "compare",
    "dask",
    "load",
    "operators",
    "ops",
    "register_layer",
    "register_operator",
    "supported_layers",
    "supported_operators",
    "unregister_layer",
    "unregister_operator",
]

_MODULES = {
    "KernelOperator": "extend",
    "Model": "models.model",
    "RModel": "ir.rmodel",
    "check": "loading",
    "compare": "verification.comparison",
    "load": "loading",
    "register_layer": "extend",
    "register_operator": "frontends.onnx.nodes.registry",
    "supported_layers": "frontends.keras.support",
    "supported_operators": "frontends.onnx.support",
    "unregister_layer": "extend",
    "unregister_operator": "frontends.onnx.nodes.registry",
}
"""Public name -> the module that defines it."""


_OPTIONAL = ("sklearn",)
"""Public modules that need another package when they are imported; therefore ``import *`` leaves them out."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        found = getattr(importlib.import_module(f"sofie_jit.{_MODULES[name]}"), name)
    elif name in __all__ or name in _OPTIONAL:  # a public module
        found = importlib.import_module(f"sofie_jit.{name}")
    else:
        raise AttributeError(f"module 'sofie_jit' has no attribute '{name}'")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*(name for name in globals() if name.startswith("__")), *__all__, *_OPTIONAL})
