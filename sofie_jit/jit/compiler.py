"""Compiling generated C++ in this process, and calling it."""

from __future__ import annotations

import ctypes
import functools
import os
import weakref
from collections.abc import Callable, Sequence
from ctypes import CFUNCTYPE, PYFUNCTYPE, c_char_p, c_double, c_int, c_int64, c_uint64, c_void_p, py_object
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from sofie_jit.codegen.kernel_library import closure, kernel_namespace, kernel_text
from sofie_jit.codegen.plan import Rendering
from sofie_jit.codegen.print_jit import CALLS, INCOMPLETE, completing, jit_text
from sofie_jit.errors import OutOfMemoryError
from sofie_jit.ir.operators.operator import BATCH, CPP_TYPES
from sofie_jit.ir.rmodel import RModel
from sofie_jit.jit.cling import define, lock
from sofie_jit.models.threads import rows_together

RUNTIME = Path(__file__).parent / "runtime"

NO_MEMORY = -1
"""What runtime/session.hxx returns for it."""

_FUNCTIONS: dict[str, dict[str, Any]] = {
    "session": {
        "create": PYFUNCTYPE(c_uint64, c_uint64, c_void_p),
        "destroy": PYFUNCTYPE(None, c_uint64, c_uint64),
        "run": PYFUNCTYPE(c_int, c_void_p),
        "run_released": CFUNCTYPE(c_int, c_void_p),
        "vector_bytes": PYFUNCTYPE(c_int),
    },
    "thread_pool": {
        "start_pool": PYFUNCTYPE(None),
        "run_parallel": CFUNCTYPE(c_int, c_void_p, c_uint64, c_int64, c_uint64, c_uint64),
    },
    "python_call": {
        "start": PYFUNCTYPE(None, c_void_p, c_char_p),
        "new_call": PYFUNCTYPE(py_object, c_void_p, c_void_p),
    },
}
"""The functions of ``runtime/*.hxx``; those of type CFUNCTYPE let go of the GIL."""

_TAKE_OP_TIMINGS = PYFUNCTYPE(None, c_uint64, c_void_p)

_declared: set[str] = set()
_entries: dict[str, list[int]] = {}
_complete: set[tuple[str, str]] = set()


def declare_kernels(names: list[str]) -> None:
    """Makes kernel headers, given in an order that compiles, known to Cling; each once per process."""
    with lock:
        missing = [name for name in names if name not in _declared]
        users = [name for name in missing if name.startswith("user_")]
        ours = [name for name in missing if name not in users]
        for together in filter(None, [ours, *([name] for name in users)]):  # each text costs a millisecond
            define("\n".join(map(kernel_text, together)), f"kernel {', '.join(together)}")
            _declared.update(together)


@functools.cache
def runtime(name: str = "session") -> SimpleNamespace:
    """The functions of ``runtime/<name>.hxx``, which is compiled once per process."""
    types = _FUNCTIONS[name]
    text = (RUNTIME / f"{name}.hxx").read_text()
    addresses = define(text, f"runtime/{name}.hxx", *(f"sofie_jit_runtime::{function}" for function in types))
    return SimpleNamespace(**{f: types[f](address) for f, address in zip(types, addresses, strict=True)})


def start() -> Callable[[], object] | None:
    """What starts the compiler, which every model needs and takes a while; None if it has been started."""
    return None if runtime.cache_info().currsize else runtime


@functools.cache
def _thread_pool() -> SimpleNamespace:
    """The functions of the pool; a forked child's starts anew, for it has none of the threads."""
    found = runtime("thread_pool")
    found.start_pool()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=found.start_pool)
    return found


def _in_calls(code: str) -> str:
    return f"namespace {CALLS} {{\nnamespace k = {kernel_namespace()};\n{code}\n}}\n"


def compile_text(namespace: str, text: str, rendering: Rendering) -> list[int]:
    """The entry of the C++ namespace that ``text`` defines, compiled at most once per process.

    An entry is the addresses of the functions ``create``, ``destroy``, ``infer`` (``runtime/session.hxx``) and, if the
    Session looks at the clock, ``take_op_timings``.
    """
    with lock:
        if namespace not in _entries:
            runtime()
            declare_kernels(rendering.kernels)
            calls = {name: code for name, code in rendering.outlined.items() if name not in _declared}
            for name in [name for name, code in calls.items() if "user_" in code]:
                define(_in_calls(calls.pop(name)), "the model")  # apart: if it fails, ours shall not go with it
                _declared.add(name)
            define(_in_calls("\n".join(calls.values())), "the model")  # apart, or kernels are inlined into the Session
            _declared.update(calls)
            functions = ["create", "destroy", "infer", *(["take_op_timings"] if rendering.op_timings else [])]
            waiting = {late.when for late in rendering.late.values() if late.name not in _declared}
            for when in sorted({late.when for late in rendering.late.values()} - waiting):
                text += _in_calls(completing(namespace, rendering, when))
                _complete.add((namespace, when))
            _entries[namespace] = define(text, "the model", *(f"{namespace}::{name}" for name in functions))
        return _entries[namespace]


def complete(namespace: str, rendering: Rendering, when: str) -> None:
    """Compiles what the C++ namespace that :func:`compile_text` compiled could do without so far (``Late.when``)."""
    with lock:
        if (namespace, when) in _complete:
            return
        if when == "team":
            declare_kernels(rendering.parallel_kernels)
        late = [late for late in rendering.late.values() if late.when == when]
        missing = {late.name: late.definition for late in late if late.name not in _declared}
        text = _in_calls("\n".join([*missing.values(), completing(namespace, rendering, when)]))
        define(text, "the model", f"&{namespace}::complete_{when}")
        _declared.update(missing)
        _complete.add((namespace, when))


class Session:
    """A lowered RModel, compiled, with its weights packed.

    With ``profile``, a call also adds up how long its operators take, and is for one thread at a time.
    """

    def __init__(self, lowered: RModel, *, profile: bool = False):
        vector_bytes = runtime().vector_bytes()
        self.namespace, self.text, self.rendering = jit_text(lowered, profile=profile, vector_bytes=vector_bytes)
        create, destroy, self.entry, *self._take_op_timings = compile_text(self.namespace, self.text, self.rendering)
        arrays = [_native(lowered.initialized[name]) for name in self.rendering.weights]
        addresses = _words([array.ctypes.data for array in arrays])
        self.rows_together = rows_together(lowered)
        self._run, self._run_released = runtime().run, runtime().run_released
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
        status = self._run_compiled(dims, arrays, threads, release_gil)
        while when := INCOMPLETE.get(status):
            complete(self.namespace, self.rendering, when)
            status = self._run_compiled(dims, arrays, threads, release_gil)
        return status

    def _run_compiled(self, dims: Sequence[int], arrays: Sequence[np.ndarray], threads: int, release_gil: bool) -> int:
        frame = [self.entry, self.handle, len(dims), *dims, *(array.ctypes.data for array in arrays)]
        if threads > 1:
            place = list(self.rendering.dims).index(BATCH) if self.rendering.tiled else -1
            frame += [array.nbytes // dims[place] for array in arrays if self.rendering.tiled]
            return int(_thread_pool().run_parallel(_words(frame), len(arrays), place, self.rows_together, threads))
        return int((self._run_released if release_gil else self._run)(_words(frame)))

    def take_op_timings(self) -> np.ndarray:
        """Seconds since the last time spent reading the clock, and in each operator of ``rendering.op_timings``.

        Raises ValueError if the Session was not made with ``profile``.
        """
        if not self._take_op_timings:
            raise ValueError("this Session does not look at the clock: make it with profile=True")
        seconds = np.empty(1 + len(self.rendering.op_timings))
        _TAKE_OP_TIMINGS(self._take_op_timings[0])(self.handle, seconds.ctypes.data)
        return seconds


@functools.cache
def peak_flops(dtype: str) -> float:
    """Floating-point operations per second that one core reaches on registers alone, measured once per process."""
    declare_kernels(closure(["core/profile.hxx"]))
    name = f"sofie_jit_peak_{dtype}"
    text = f"double {name}() {{ return {kernel_namespace()}::fma_rate<{CPP_TYPES[dtype]}>(20000); }}"
    (address,) = define(text, "the measurement of the peak", name)
    measure = PYFUNCTYPE(c_double)(address)
    return float(max(measure() for _ in range(100)))


def _words(numbers: Sequence[int]) -> ctypes.Array[c_uint64]:
    return (c_uint64 * len(numbers))(*numbers)


def _native(array: np.ndarray) -> np.ndarray:
    """C-contiguous and in this machine's byte order."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))
