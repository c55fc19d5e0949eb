"""Compiling generated C++ in this process; the only file that touches cppyy."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import logging
import os
import sys
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from sofie_jit import precompiled_header
from sofie_jit.errors import CompileError, MissingDependencyError, OutOfMemoryError
from sofie_jit.header import CALLS, jit_text
from sofie_jit.kernel_sources import closure, kernel_namespace, kernel_text
from sofie_jit.operators.operator import BATCH, CPP_TYPES
from sofie_jit.parallel import rows_together
from sofie_jit.rmodel import RModel
from sofie_jit.session import Rendering

log = logging.getLogger(__name__)

FORK_FLAGS = "-O2 -march=native -mllvm -optimize-regalloc=true"
"""What ROOT's fork of cppyy needs to emit good code. Real cppyy needs nothing and dies of the last flag."""

RUNTIME = Path(__file__).parent / "runtime"

NO_MEMORY = -1
"""What runtime/session.hxx returns for it."""

_lock = threading.RLock()  # Cling is not re-entrant
_declared: set[str] = set()
_entries: dict[str, np.ndarray] = {}


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
    fork_or_running = imported or is_root_fork()
    try:
        with contextlib.nullcontext() if fork_or_running else precompiled_header.ensured():
            return importlib.import_module("cppyy")
    except MissingDependencyError:
        raise
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


@functools.cache
def runtime(name: str = "session") -> Any:
    """The C++ namespace of what is compiled once per process, with the file ``runtime/<name>.hxx`` in it."""
    with _lock:
        _define((RUNTIME / f"{name}.hxx").read_text(), f"runtime/{name}.hxx")
        found = cppyy().gbl.sofie_jit_runtime
        if name == "session":
            found.run_released.__release_gil__ = True
        return found


@functools.cache
def _thread_pool() -> Any:
    """The C++ namespace with ``run_shared``; a forked child's pool starts anew, for it has none of the threads."""
    found = runtime("thread_pool")
    found.run_shared.__release_gil__ = True
    found.start_pool()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=found.start_pool)
    return found


def _in_calls(code: str) -> str:
    return f"namespace {CALLS} {{\nnamespace k = {kernel_namespace()};\n{code}\n}}\n"


def compile_text(namespace: str, text: str, rendering: Rendering) -> np.ndarray:
    """The entry of the C++ namespace that ``text`` defines, compiled at most once per process.

    An entry is the addresses of ``create``, ``destroy`` and ``infer``, as uint64 (``runtime/session.hxx``).
    """
    with _lock:
        if namespace not in _entries:
            published = runtime().published
            declare_kernels(rendering.kernels)
            calls = {name: code for name, code in rendering.outlined.items() if name not in _declared}
            for name in [name for name, code in calls.items() if "user_" in code]:
                _define(_in_calls(calls.pop(name)), "the model")  # apart: if it fails, ours shall not go with it
                _declared.add(name)
            _define(_in_calls("\n".join(calls.values())) + text, "the model")
            entry = np.zeros(3, np.uint64)
            published(entry)
            if not entry.all():
                raise CompileError(
                    "the model's code was compiled but could not be linked, mostly because an earlier compilation in "
                    "this process failed; start a new process"
                )
            _declared.update(calls)
            _entries[namespace] = entry
        return _entries[namespace]


class Session:
    """A lowered RModel, compiled, with its weights packed.

    With ``profile``, a call also adds up how long its operators take, and is for one thread at a time.
    """

    def __init__(self, lowered: RModel, *, profile: bool = False):
        self.namespace, self.text, self.rendering = jit_text(lowered, profile=profile)
        create, destroy, self.entry = map(int, compile_text(self.namespace, self.text, self.rendering))
        arrays = [_native(lowered.initialized[name]) for name in self.rendering.weights]
        addresses = np.array([array.ctypes.data for array in arrays] or [0], np.uint64)
        self.rows_together = rows_together(lowered)
        self._run, self._run_released = runtime().run, runtime().run_released
        with _lock:
            self.handle: int = runtime().create(create, addresses)
        if not self.handle:
            raise OutOfMemoryError("there is too little memory for the packed weights of the network")
        self._finalizer = weakref.finalize(self, runtime().destroy, destroy, self.handle)
        self._finalizer.atexit = False

    def run(
        self, dims: Sequence[int], arrays: Sequence[np.ndarray], *, threads: int = 1, release_gil: bool = False
    ) -> int:
        """Computes; returns 0, NO_MEMORY, or a key of ``rendering.failures``. May be called from many threads at once.

        ``dims``: the sizes of ``rendering.dims``. ``arrays``: inputs, then outputs, C-contiguous and of exactly the
        right types and shapes; nothing is checked here. ``threads``: at most so many share the work.
        """
        frame = [self.entry, self.handle, len(dims), *dims, *(array.ctypes.data for array in arrays)]
        if threads > 1:
            place = list(self.rendering.dims).index(BATCH) if self.rendering.tiled else -1
            frame += [array.nbytes // dims[place] for array in arrays if self.rendering.tiled]
            given = np.array(frame, np.uint64)
            return int(_thread_pool().run_shared(given, len(arrays), place, self.rows_together, threads))
        return int((self._run_released if release_gil else self._run)(np.array(frame, np.uint64)))

    def take_laps(self) -> np.ndarray:
        """Seconds since the last time spent reading the clock, and in each operator of ``rendering.laps``.

        Raises ValueError if the Session was not made with ``profile``.
        """
        if not self.rendering.laps:
            raise ValueError("this Session does not look at the clock: make it with profile=True")
        seconds = np.empty(1 + len(self.rendering.laps))
        getattr(cppyy().gbl, self.namespace).take_laps(self.handle, seconds)
        return seconds


@functools.cache
def peak_flops(dtype: str) -> float:
    """Floating-point operations per second that one core reaches on registers alone, measured once per process."""
    declare_kernels(closure(["profile.hxx"]))
    name = f"sofie_jit_peak_{dtype}"
    rate = f"{kernel_namespace()}::fma_rate<{CPP_TYPES[dtype]}>(20000)"
    with _lock:
        _define(f"namespace {name} {{ double rate() {{ return {rate}; }} }}", "the measurement of the peak")
    measure = getattr(cppyy().gbl, name).rate
    return float(max(measure() for _ in range(100)))


def _native(array: np.ndarray) -> np.ndarray:
    """C-contiguous and in this machine's byte order."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


__all__ = [
    "CompileError",
    "Rendering",
    "Session",
    "compile_text",
    "cppyy",
    "declare_kernels",
    "is_root_fork",
    "peak_flops",
]
