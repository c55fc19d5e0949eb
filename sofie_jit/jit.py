"""Compiling generated C++ in this process; the only file that touches cppyy."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import logging
import os
import sys
import threading
import weakref
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from sofie_jit.errors import CompileError, MissingDependencyError
from sofie_jit.header import CALLS, jit_text
from sofie_jit.kernel_sources import kernel_namespace, kernel_text
from sofie_jit.rmodel import RModel
from sofie_jit.session import Rendering

log = logging.getLogger(__name__)

FORK_FLAGS = "-O2 -march=native -mllvm -optimize-regalloc=true"
"""What ROOT's fork of cppyy needs to emit good code. Real cppyy needs nothing and dies of the last flag."""

_lock = threading.RLock()  # Cling is not re-entrant
_declared: set[str] = set()
_namespaces: dict[str, Any] = {}


def is_root_fork() -> bool:
    """Whether the installed ``cppyy`` is the one of ROOT's wheel, which overwrites the real one.

    Told from its source, for the metadata of the real cppyy survive the overwriting.
    """
    spec = importlib.util.find_spec("cppyy")
    if spec is None or not spec.origin:
        return False
    source = Path(spec.origin).parent / "_cpython_cppyy.py"
    return source.exists() and "cppyy.libcppyy" in source.read_text(errors="replace")


@functools.cache
def cppyy() -> ModuleType:
    """The cppyy module, imported on first use with the flags it needs.

    Raises MissingDependencyError if it is not installed or does not start.
    """
    imported = "cppyy" in sys.modules
    given = os.environ.get("EXTRA_CLING_ARGS")
    if is_root_fork():
        if imported and "regalloc" not in (given or ""):
            log.warning(
                "ROOT's cppyy was imported before sofie_jit without optimization flags: generated code will be many "
                "times slower. Compile a model of sofie_jit first, or set EXTRA_CLING_ARGS='%s' before importing ROOT.",
                FORK_FLAGS,
            )
        os.environ["EXTRA_CLING_ARGS"] = given or FORK_FLAGS
    try:
        return importlib.import_module("cppyy")
    except ImportError as error:
        raise MissingDependencyError(
            f"cppyy, which compiles the generated C++, cannot be imported ({error}): pip install cppyy"
        ) from error
    finally:
        if given is None:  # a child process may have the real cppyy, which these flags would kill
            os.environ.pop("EXTRA_CLING_ARGS", None)


def _define(text: str, what: str) -> None:
    try:
        cppyy().cppdef(text)
    except SyntaxError as error:
        blame = (
            "see the source given to KernelOperator"
            if "user_" in str(error)
            else ("this is a bug of sofie_jit or of its installation")
        )
        raise CompileError(f"the C++ of {what} does not compile here; {blame}.\n{str(error)[:2000]}") from None


def declare_kernels(names: list[str]) -> None:
    """Makes kernel headers, given in an order that compiles, known to Cling; each once per process."""
    with _lock:
        for name in names:
            if name not in _declared:
                _define(kernel_text(name), f"kernel {name}")
                _declared.add(name)


def compile_text(namespace: str, text: str, rendering: Rendering) -> Any:
    """The C++ namespace that ``text`` defines, compiled at most once per process."""
    with _lock:
        if namespace not in _namespaces:
            declare_kernels(rendering.kernels)
            calls = {name: code for name, code in rendering.outlined.items() if name not in _declared}
            entries = "\n".join(calls.values())
            _define(f"namespace {CALLS} {{\nnamespace k = {kernel_namespace()};\n{entries}\n}}\n{text}", "the model")
            _declared.update(calls)
            found = getattr(cppyy().gbl, namespace)
            found.infer_released.__release_gil__ = True
            _namespaces[namespace] = found
        return _namespaces[namespace]


class Session:
    """A lowered RModel, compiled, with its weights packed.

    ``infer(handle, *dims, *inputs, *outputs)`` computes: sizes of the run-time dimensions in the order of
    ``rendering.dims``, then C-contiguous arrays of exactly the right types and shapes; nothing is checked here. It
    returns 0, or a key of ``rendering.failures``. ``infer_released`` is the same without the GIL. Both may be called
    from many threads.
    """

    def __init__(self, lowered: RModel):
        namespace, text, self.rendering = jit_text(lowered)
        code = compile_text(namespace, text, self.rendering)
        arrays = [_native(lowered.initialized[name]) for name in self.rendering.weights]
        addresses = np.array([array.ctypes.data for array in arrays] or [0], np.uint64)
        with _lock:
            self.handle: int = code.create(addresses)
        self._finalizer = weakref.finalize(self, code.destroy, self.handle)
        self._finalizer.atexit = False
        self.infer, self.infer_released = code.infer, code.infer_released
        self.text = text


def _native(array: np.ndarray) -> np.ndarray:
    """C-contiguous and in this machine's byte order."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


__all__ = ["CompileError", "Rendering", "Session", "compile_text", "cppyy", "declare_kernels", "is_root_fork"]
