"""The system's C++ compiler, which makes compiled libraries."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sofie_jit.errors import CompileError, MissingDependencyError
from sofie_jit.records import dataclass

NAMES = ("clang++", "g++", "c++")
"""The compilers that are looked for, best first, unless the environment variable CXX names one."""

FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden", "-w", "-Wl,-z,nodelete")
"""Not unloaded (nodelete), because threads of its pool may sleep in it."""

MOST_SAID = 2000
"""Characters of a compiler's output in an error message; the first error explains the others."""


@dataclass(frozen=True)
class Toolchain:
    """A C++ compiler with its arguments."""

    command: tuple[str, ...]

    def macros(self, *flags: str) -> list[str]:
        """The names of the macros that the compiler defines, from which the instruction sets follow.

        Raises CompileError if the compiler does not work or does not know the flags.
        """
        run = self._run([*flags, "-x", "c++", "-dM", "-E", os.devnull])
        return [words[1] for line in run.splitlines() if len(words := line.split(maxsplit=2)) > 1]

    def build(self, source: str, files: Mapping[str, Sequence[bytes]], *flags: str) -> bytes:
        """Compiles a text to a shared library and returns the content of the library.

        ``files``: further files, by name, in the directory in which the compiler runs.

        Raises CompileError, and OSError if the directory for temporary files cannot be written to.
        """
        with tempfile.TemporaryDirectory(prefix="sofie_jit_") as folder:
            (Path(folder) / "library.cc").write_text(source)
            for name, parts in files.items():
                with (Path(folder) / name).open("wb") as file:
                    file.writelines(parts)
            self._run([*FLAGS, *flags, "library.cc", "-o", "library.so"], folder)
            return (Path(folder) / "library.so").read_bytes()

    def _run(self, arguments: Sequence[str], folder: str | None = None) -> str:
        environment = {**os.environ, "LC_ALL": "C"}
        try:
            run = subprocess.run(
                [*self.command, *arguments],
                cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            )  # fmt: skip
        except OSError as error:
            raise CompileError(f"the compiler {self.command[0]} cannot be started: {error.strerror}") from error
        if run.returncode:
            lines = run.stderr.splitlines(keepends=True)
            said = "".join(line for line in lines if "note: valid " not in line)  # names of all processors
            said = said if len(said) <= MOST_SAID else f"{said[:MOST_SAID]} ..."
            raise CompileError(f"the compiler {shlex.join(self.command)} failed with {' '.join(arguments)}:\n{said}")
        return run.stdout


def find() -> Toolchain:
    """The compiler that the environment variable ``CXX`` names, else the first of :data:`NAMES` that is installed.

    Raises MissingDependencyError if there is none.
    """
    given = shlex.split(os.environ.get("CXX", ""))
    for command in filter(None, [given] if given else [[name] for name in NAMES]):
        if shutil.which(command[0]):
            return Toolchain(tuple(command))
    raise MissingDependencyError(
        f"a C++ compiler is needed to make a compiled library; none of {', '.join(given[:1] or NAMES)} was found. "
        "Install one (Debian, Ubuntu: apt-get install g++), or name it in the environment variable CXX"
    )


def path(command: str) -> str:
    """The path of a command; itself if it is not found."""
    return shutil.which(command) or command


def native_flags() -> tuple[str, ...]:
    """The flags for code for the processor of this machine."""
    return ("-mcpu=native",) if platform.machine() in ("aarch64", "arm64") else ("-march=native",)
