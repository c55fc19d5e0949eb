"""Every kernel header by itself: compiles alone without a warning, agrees with a float64 loop, and gives the same bits
from g++ and clang++ on every instruction set with fused multiply-add that this machine has.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import sofie_jit

KERNELS = Path(sofie_jit.__file__).parent / "kernels"
PROGRAMS = sorted((Path(__file__).parent / "cpp").glob("*.cc"))
COMPILERS = [name for name in ("g++", "clang++") if shutil.which(name)]
WARNINGS = ["-std=c++17", "-Wall", "-Wextra", "-Werror"]


@functools.cache
def cpu_flags() -> frozenset[str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return frozenset(next((line for line in lines if line.startswith(("flags", "Features"))), "").split())


# What this processor can run. All but the baseline, which has no fused multiply-add, must agree to the last bit.
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
"""As unlike each other as it gets: compiler, register width, optimization, contraction."""


def build_and_run(program: Path, directory: Path, configuration: tuple[str, tuple[str, ...]]) -> str:
    """The digest that the program prints, built by a compiler with flags."""
    compiler, flags = configuration
    binary = directory / "-".join([program.stem, compiler, *flags])
    command = [compiler, *WARNINGS, *flags, "-pthread", f"-I{KERNELS}", str(program), "-o", str(binary)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([str(binary)], capture_output=True, text=True)
    assert ran.returncode == 0, f"{compiler} {flags}:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}"
    return ran.stdout.splitlines()[-1]


@pytest.mark.parametrize("header", sorted(KERNELS.glob("*.hxx")), ids=lambda path: path.name)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_header_compiles_alone(header: Path, compiler: str) -> None:
    for flags in ([], ["-march=native"]):
        run = subprocess.run(
            [compiler, *WARNINGS, *flags, f"-I{KERNELS}", "-fsyntax-only", "-x", "c++", "-"],
            input=f'#include "{header.name}"\n', capture_output=True, text=True,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("configurations", [DIFFERENT, pytest.param(EVERY, marks=pytest.mark.slow)], ids=["few", "all"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_kernel(program: Path, configurations: list[tuple[str, tuple[str, ...]]], tmp_path: Path) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = list(pool.map(functools.partial(build_and_run, program, tmp_path), configurations))
    fused = {digest for digest, (_, flags) in zip(digests, configurations, strict=True) if flags != BASELINE}
    assert len(fused) <= 1, dict(zip(configurations, digests, strict=True))
