"""Keras models as JIT-compiled C++: ``sofie_jit.load("m.h5").infer(x)``.

Importing this package is cheap: cppyy starts when the first model is compiled, h5py when the first file is read, and
TensorFlow never.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import sys
import time
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
from sofie_jit.ir.rmodel import RModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sofie_jit.extend import KernelOperator, register_layer
    from sofie_jit.frontends.keras.support import check, supported_layers
    from sofie_jit.models.model import Model
    from sofie_jit.passes.pipeline import Optimize
    from sofie_jit.verification.comparison import compare

__version__ = "0.1.0"

log = logging.getLogger(__name__)

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
    "load",
    "register_layer",
    "supported_layers",
]


def load(
    source: str | os.PathLike[str] | Any,
    *,
    config: str | os.PathLike[str] | dict[str, Any] | None = None,
    threads: int | None = None,
    outputs: list[str] | None = None,
    optimize: Optimize = True,
    replace: Mapping[str, Callable[..., Any]] | None = None,
    verify: bool = False,
    untrusted: bool | None = None,
) -> Model:
    """Loads a saved Keras model and compiles it.

    ``source``: a ``.h5``/``.hdf5`` file of any Keras version, a ``.keras`` archive, a weights file beside
    ``config=`` (its architecture: the path of a JSON file, JSON text, or a dict), or a live ``keras.Model``.
    ``threads``: at most so many threads share a big batch; by default what ``SOFIE_JIT_NUM_THREADS`` or
    ``OMP_NUM_THREADS`` says, else the cores this process may use. Results do not depend on it, to the last bit.
    ``outputs``: cut the model at these layers and return their outputs instead of the model's.
    ``replace``: your own functions in place of layers, by name: ``{"lambda_1": lambda t: t / 127.5 - 1}``. They are
    called with symbolic tensors, which know arithmetic and the functions of ``sofie_jit.ops``; nothing in the file is
    ever executed.
    ``optimize=False``: only the rewritings that code generation depends on; same numbers within tolerance. A list of
    names, such as ``["fuse_add", "fuse_activation"]``, makes just these optimizations (``sofie_jit/passes``).
    ``verify``: compare it on random inputs with an evaluation of the same network in numpy and float64, which uses none
    of the kernels; it takes several times as long.
    ``untrusted``: a damaged file can crash HDF5's library, so by default a forked copy of this process reads files,
    which takes some milliseconds, or a tenth of a second in a large process, where the system has ``fork``. ``True``:
    the file is a stranger's, so a new process reads it, with limits of time and memory; it takes about a second
    longer. ``False``: it is read in this process.

    Raises FileNotFoundError, ModelFileError (damaged, or no Keras model), WeightsError (weights that do not fit),
    UnsupportedLayerError (all layers that cannot be translated, at once), OptionError (``optimize`` names no such
    pass), VerificationError (``verify`` failed).
    """
    from sofie_jit.frontends.keras import Translation, read_graph
    from sofie_jit.jit import compiler
    from sofie_jit.models.open_model import open_model
    from sofie_jit.report.progress import Steps

    start = time.perf_counter()
    size = _bytes(source)
    big = size >= BIG and sys.stderr.isatty()
    with Steps(f"loading {size / 1e6:.0f} MB", 2 + verify, shown=big) as step:
        step("reading")
        translation = Translation(read_graph(source, config, outputs, untrusted, meanwhile=compiler.start()), replace)
        step("compiling")
        model = open_model(translation, threads=threads, optimize=optimize)
        if verify:
            from sofie_jit.verification.verify import verify as verify_network

            step("verifying")
            verify_network(model.rmodel, optimize=optimize)
    seconds = time.perf_counter() - start
    log.info("%s: %d operators, loaded in %.2f s", model.name, len(model.rmodel.operators), seconds)
    return model


BIG = 10_000_000
"""Bytes of a model whose loading takes long enough to show its steps on a terminal."""


def _bytes(source: Any) -> int:
    """The size of a file, or of a live model's weights."""
    if isinstance(source, (str, os.PathLike)):
        return os.path.getsize(source) if os.path.isfile(source) else 0
    return sum(4 * math.prod(weight.shape) for weight in getattr(source, "weights", ()))


_LAZY = {
    "Model": "models.model",
    "KernelOperator": "extend",
    "register_layer": "extend",
    "check": "frontends.keras.support",
    "compare": "verification.comparison",
    "supported_layers": "frontends.keras.support",
}
"""Public names -> their modules, which cost more to import than the rest of the package."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"sofie_jit.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'sofie_jit' has no attribute '{name}'")
