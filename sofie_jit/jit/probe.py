"""Finds out whether Cling can start, before it starts in this process.

Without the headers of C and C++, Cling ends the process while it starts. Where the headers are not in their usual
places, a child process tries it first.
"""

from __future__ import annotations

import contextlib
import glob
import importlib.util
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

from sofie_jit.errors import MissingDependencyError
from sofie_jit.jit import cache_folder

USUAL = ("/usr/include/c++/*/new", "/usr/include/stdlib.h", "/usr/lib/gcc/*/*/crtbegin.o")
"""Files by which Cling's compiler finds the headers. If all of them are there, it starts."""

_IN_CHILD = "SOFIE_JIT_PROBING"
"""Environment variable of the child process, which must not probe itself."""

_PROGRAM = """import sys
sys.path[:] = {path!r}
from sofie_jit.jit import cling
print("started" if not cling.start()("#include <string>") else "")
"""

_REMEDY = (
    "Install a C++ compiler with its headers (Debian, Ubuntu: apt-get install g++; Fedora: dnf install gcc-c++; conda: "
    "conda install cxx-compiler)"
)


class CompilerMissingError(MissingDependencyError):
    """Cling cannot start: the message is the reason and the remedy; the text also names compiled libraries."""

    @property
    def reason(self) -> str:
        """The message without the advice to load a compiled library, for what these cannot do either."""
        return str(self.args[0])

    def of_file(self, source: str) -> CompilerMissingError:
        return CompilerMissingError(f"{source}: {self.reason}")

    def __str__(self) -> str:
        return (
            f"{self.reason}, or load a compiled library, which needs no compiler: Model.save_library writes it on a "
            "machine with one"
        )


_failures: list[str] = []
"""Why Cling cannot start; empty as long as it is not known."""


def check() -> None:
    """Raises CompilerMissingError if Cling would end the process while it starts."""
    if os.environ.get(_IN_CHILD) or "cppyy" in sys.modules or importlib.util.find_spec("cppyy") is None:
        return
    if not _failures and not _has_usual_headers() and not _is_remembered():
        if reason := _try(_PROGRAM.format(path=sys.path)):
            _failures.append(reason)
        else:
            _remember()
    if _failures:
        raise CompilerMissingError(f"Cling, which compiles the generated C++, cannot start: {_failures[0]}. {_REMEDY}")


def _has_usual_headers() -> bool:
    return all(glob.glob(pattern) for pattern in USUAL)


def _try(program: str) -> str:
    """Runs the program in a child process; returns why it failed, or ''."""
    environment = {**os.environ, _IN_CHILD: "1"}
    command, last = [sys.executable, "-c", program], ""
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace",
    ) as child:  # fmt: skip
        assert child.stdout is not None
        for line in map(str.strip, child.stdout):
            if line == "started":
                return ""
            if found := re.search(r"fatal error: (.*)", line):
                child.kill()  # it would go on for long, looking for a debugger to show where it crashed
                return found[1][:200]
            last = line or last
    return last[:200] or f"a process that tried it ended with exit code {child.returncode}"


# -- successes are remembered ------------------------------------------------------------------------------------------


def _marker() -> Path | None:
    """The file whose existence says that Cling can start here."""
    folder, spec = cache_folder.usable(), importlib.util.find_spec("cppyy")
    if folder is None or spec is None or not spec.origin:
        return None
    facts = [sys.executable, spec.origin, os.environ.get("PATH", ""), os.environ.get("CPLUS_INCLUDE_PATH", "")]
    facts += [
        str(os.stat(path).st_mtime_ns) for path in (spec.origin, "/usr/include", "/usr/lib") if os.path.exists(path)
    ]
    return folder / f"cling-starts-{zlib.crc32(repr(facts).encode()):08x}"


def _is_remembered() -> bool:
    marker = _marker()
    return marker is not None and marker.is_file()


def _remember() -> None:
    if (marker := _marker()) is not None:
        with contextlib.suppress(OSError):  # a full disk; the next process tries again
            marker.touch()
