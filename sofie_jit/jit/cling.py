"""Cling, the C++ interpreter in this process. No other module touches cppyy.

cppyy's backend starts Cling, and one function of the backend's C interface compiles a text. ``import cppyy`` takes
several times as long on top of that, because it makes the standard library known to Python.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import logging
import os
import platform
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

from sofie_jit.errors import MissingDependencyError
from sofie_jit.jit import precompiled_header, probe

log = logging.getLogger(__name__)

FORK_FLAGS = "-O2 -march=native -mllvm -optimize-regalloc=true"
"""Flags with which ROOT's fork of cppyy emits fast code. The original cppyy needs none and crashes on the last one."""

CompileText = Callable[[str], str]
"""Compiles a text and returns the error message, which is empty on success."""


def is_root_fork() -> bool:
    """Whether the installed ``cppyy`` comes from ROOT's wheel, which overwrites the original one.

    The source decides, because the metadata of the original cppyy survive the overwriting.
    """
    spec = importlib.util.find_spec("cppyy")
    if spec is None or not spec.origin:
        return False
    source = Path(spec.origin).parent / "_cpython_cppyy.py"
    return source.exists() and "cppyy.libcppyy" in source.read_text(errors="replace")


@functools.cache
def cppyy() -> ModuleType:
    """The module cppyy, imported with the flags that it needs.

    Raises MissingDependencyError if it is not installed or does not start.
    """
    if is_root_fork() and "cppyy" in sys.modules and "regalloc" not in os.environ.get("EXTRA_CLING_ARGS", ""):
        log.warning(
            "ROOT's cppyy was imported before sofie_jit without optimization flags, so generated code will be many "
            "times slower. Compile a model of sofie_jit first, or set EXTRA_CLING_ARGS='%s' before importing ROOT.",
            FORK_FLAGS,
        )
    probe.check()
    with _environment():
        return importlib.import_module("cppyy")


def start() -> CompileText:
    """Starts Cling and returns the function that compiles a text.

    Cling is not re-entrant, so calls of the function must not overlap.

    Raises MissingDependencyError if cppyy is not installed or Cling cannot start, for lack of C++ headers for example.
    """
    probe.check()
    return _backend() or _module()


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Sets up the environment variables and the precompiled header for the start of Cling."""
    given, fork = os.environ.get("EXTRA_CLING_ARGS"), is_root_fork()
    if fork and given is None:
        os.environ["EXTRA_CLING_ARGS"] = FORK_FLAGS
    try:
        with contextlib.nullcontext() if fork or "cppyy" in sys.modules else precompiled_header.ensured():
            yield
    except MissingDependencyError:
        raise
    except ImportError as error:
        there = importlib.util.find_spec("cppyy") is not None
        problem = f"cannot be imported ({error})" if there else "is not installed"
        raise probe.CompilerMissingError(
            f"cppyy, which compiles the generated C++, {problem}: pip install cppyy"
        ) from error
    finally:
        if given is None:  # a child process may use the original cppyy, which crashes on the fork's flags
            os.environ.pop("EXTRA_CLING_ARGS", None)


def _backend() -> CompileText | None:
    """Compiles through the backend's C interface, without cppyy itself.

    None if this cppyy lacks the C interface: ROOT's fork, PyPy, perhaps later versions.
    """
    if is_root_fork() or platform.python_implementation() != "CPython" or not importlib.util.find_spec("cppyy_backend"):
        return None
    with _environment():
        backend = importlib.import_module("cppyy_backend.loader").load_cpp_backend()
        python = importlib.import_module("libcppyy")
    if not (hasattr(backend, "cppyy_compile") and hasattr(python, "_begin_capture_stderr")):
        return None

    def compile_text(text: str) -> str:
        python._begin_capture_stderr()
        try:
            compiled = backend.cppyy_compile(text.encode())
        finally:
            messages = python._end_capture_stderr() or ""
        if not compiled or "error" in messages:  # the linker's errors do not make cppyy_compile fail
            return messages or "no reason was given"
        if messages:
            warnings.warn(messages, SyntaxWarning, stacklevel=4)
        return ""

    return compile_text


def _module() -> CompileText:
    """Compiles through the Python module cppyy."""
    cppdef = cppyy().cppdef

    def compile_text(text: str) -> str:
        try:
            cppdef(text)
        except SyntaxError as error:
            return str(error)
        return ""

    return compile_text
