"""Cling, the compiler in this process; the only file that touches cppyy.

Cling is started by cppyy's backend, and given texts by one function of the backend's C interface. ``import cppyy``
after that takes several times as long again, since it makes the standard library known to Python.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib
import importlib.util
import itertools
import logging
import os
import platform
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

from sofie_jit.errors import CompileError, MissingDependencyError
from sofie_jit.jit import precompiled_header

log = logging.getLogger(__name__)

FORK_FLAGS = "-O2 -march=native -mllvm -optimize-regalloc=true"
"""What ROOT's fork of cppyy needs to emit good code. Real cppyy needs nothing and dies of the last flag."""

lock = threading.RLock()
"""For whoever compiles: Cling is not re-entrant."""


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
    if is_root_fork() and "cppyy" in sys.modules and "regalloc" not in os.environ.get("EXTRA_CLING_ARGS", ""):
        log.warning(
            "ROOT's cppyy was imported before sofie_jit without optimization flags: generated code will be many "
            "times slower. Compile a model of sofie_jit first, or set EXTRA_CLING_ARGS='%s' before importing ROOT.",
            FORK_FLAGS,
        )
    with _starting():
        return importlib.import_module("cppyy")


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """The environment that Cling starts in."""
    given, fork = os.environ.get("EXTRA_CLING_ARGS"), is_root_fork()
    if fork and given is None:
        os.environ["EXTRA_CLING_ARGS"] = FORK_FLAGS
    try:
        with contextlib.nullcontext() if fork or "cppyy" in sys.modules else precompiled_header.ensured():
            yield
    except MissingDependencyError:
        raise
    except ImportError as error:
        raise MissingDependencyError(
            f"cppyy, which compiles the generated C++, cannot be imported ({error}): pip install cppyy"
        ) from error
    finally:
        if given is None:  # a child process may have the real cppyy, which the fork's flags would kill
            os.environ.pop("EXTRA_CLING_ARGS", None)


@functools.cache
def start() -> Callable[[str], str]:
    """Starts Cling; a function that compiles a text and returns what went wrong, or nothing.

    Raises MissingDependencyError if cppyy is not installed or does not start.
    """
    compile_text = _by_c() or _by_python()
    compile_text(_PUBLISH.format(address=ctypes.addressof(_published)))
    return compile_text


def _by_c() -> Callable[[str], str] | None:
    """None where cppyy has not what this needs: in ROOT's fork, under PyPy, perhaps in later versions."""
    if is_root_fork() or platform.python_implementation() != "CPython" or not importlib.util.find_spec("cppyy_backend"):
        return None
    with _starting():
        backend = importlib.import_module("cppyy_backend.loader").load_cpp_backend()
        python = importlib.import_module("libcppyy")
    if not (hasattr(backend, "cppyy_compile") and hasattr(python, "_begin_capture_stderr")):
        return None

    def compile_text(text: str) -> str:
        python._begin_capture_stderr()
        try:
            compiled = backend.cppyy_compile(text.encode())
        finally:
            said = python._end_capture_stderr() or ""
        if not compiled or "error" in said:  # of the linker, too
            return said or "no reason was given"
        if said:
            warnings.warn(said, SyntaxWarning, stacklevel=4)
        return ""

    return compile_text


def _by_python() -> Callable[[str], str]:
    cppdef = cppyy().cppdef

    def compile_text(text: str) -> str:
        try:
            cppdef(text)
        except SyntaxError as error:
            return str(error)
        return ""

    return compile_text


_PUBLISH = """#include <cstdint>
namespace sofie_jit_runtime {{
// Tells Python, whose memory this is, where functions are.
template <class... Functions>
int publish(Functions *...functions)
{{
   std::uint64_t *place = reinterpret_cast<std::uint64_t *>({address});
   ((*place++ = reinterpret_cast<std::uint64_t>(functions)), ...);
   return 0;
}}
}}
"""
_published = (ctypes.c_uint64 * 8)()
_numbers = itertools.count()


def define(text: str, what: str, *functions: str) -> list[int]:
    """Compiles C++ once and for all; the addresses of functions it defines, given by their qualified names.

    A text that was compiled before is not compiled again: a Ctrl-C may have come before anybody took note of it. Python
    calls functions through ctypes, so none of them needs a wrapper by cppyy, each of which takes 10 ms to make.

    Raises CompileError, with ``what`` the text is, and MissingDependencyError.
    """
    guard = f"SOFIE_JIT_DEFINED_{hashlib.sha256(text.encode()).hexdigest()[:20]}"
    text = f"#ifndef {guard}\n#define {guard}\n{text}\n#endif\n"
    if functions:
        done = f"sofie_jit_published_{next(_numbers)}"
        text += f"static const int {done} = sofie_jit_runtime::publish({', '.join(functions)});\n"
    with lock:
        ctypes.memset(_published, 0, ctypes.sizeof(_published))
        if wrong := start()(text):
            start()(f"#undef {guard}\n")
            blame = (
                "see the source given to KernelOperator"
                if "user_" in wrong
                else "this is a bug of sofie_jit or of its installation"
            )
            raise CompileError(f"the C++ of {what} does not compile here; {blame}.\n{wrong[:2000]}")
        addresses = _published[: len(functions)]
    if not all(addresses):
        raise CompileError(
            f"the C++ of {what} was compiled but could not be linked, mostly because an earlier compilation in this "
            "process failed; start a new process"
        )
    return addresses
