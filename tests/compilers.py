"""The compilers and instruction sets that kernels and headers are tested with."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

import sofie_jit

KERNELS = Path(sofie_jit.__file__).parent / "kernels"
RUNTIME = Path(sofie_jit.__file__).parent / "jit" / "runtime"
PROGRAMS = sorted((Path(__file__).parent / "kernels" / "cpp").glob("*.cc"))
COMPILERS = [name for name in ("g++", "clang++") if shutil.which(name)]
WARNINGS = ["-std=c++17", "-Wall", "-Wextra", "-Werror"]
STRICT = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror"]


@functools.cache
def cpu_flags() -> frozenset[str]:
    """Names of the processor's features, as in /proc/cpuinfo."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return frozenset(next((line for line in lines if line.startswith(("flags", "Features"))), "").split())


# Flags for this processor. All but the baseline, which has no fused multiply-add, must agree to the last bit.
BASELINE = ("-O2",)
TARGETS = [BASELINE]
if {"avx2", "fma"} <= cpu_flags():
    TARGETS += [("-O2", "-mavx2", "-mfma"), ("-O1", "-mavx2", "-mfma", "-ffp-contract=off")]
if "avx512f" in cpu_flags():
    TARGETS += [("-O3", "-march=native"), ("-O2", "-march=native")]
EVERY = [(compiler, target) for compiler in COMPILERS for target in TARGETS]
DIFFERENT = [
    (COMPILERS[0], BASELINE),
    (COMPILERS[0], TARGETS[-3 if len(TARGETS) > 3 else -1]),
    (COMPILERS[-1], TARGETS[-1]),
]
"""Differ as much as possible: in compiler, register width, optimization and contraction."""


def build_and_run(program: Path, directory: Path, configuration: tuple[str, tuple[str, ...]]) -> str:
    """Builds a test program with ``configuration``, a compiler and its flags; the digest that it prints."""
    compiler, flags = configuration
    binary = directory / "-".join([program.stem, compiler, *flags])
    command = [compiler, *WARNINGS, *flags, "-pthread", f"-I{KERNELS}", str(program), "-o", str(binary)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([str(binary)], capture_output=True, text=True)
    assert ran.returncode == 0, f"{compiler} {flags}:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}"
    return ran.stdout.splitlines()[-1]


def build(directory: Path, source: str, compiler: str, *flags: str) -> Path:
    """Builds ``source`` in ``directory`` with strict warnings; the program."""
    (directory / "main.cc").write_text(source)
    command = [compiler, *STRICT, *flags, "main.cc", "-o", "main"]
    run = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[:4000]
    return directory / "main"
