"""Every kernel header by itself: compiles alone without a warning, agrees with a float64 loop, and gives the same bits
from g++ and clang++ on every instruction set with fused multiply-add that this machine has.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
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


# name -> compiler flags; only what this processor can run. Those in FUSED must agree to the last bit.
TARGETS = {"baseline": ["-O2"]}
if {"avx2", "fma"} <= cpu_flags():
    TARGETS["avx2"] = ["-O2", "-mavx2", "-mfma"]
    TARGETS["avx2-O1"] = ["-O1", "-mavx2", "-mfma", "-ffp-contract=off"]
if "avx512f" in cpu_flags():
    TARGETS["avx512"] = ["-O3", "-march=native"]
FUSED = [name for name in TARGETS if name != "baseline"]


def build_and_run(program: Path, compiler: str, target: str, directory: Path) -> str:
    binary = directory / f"{program.stem}-{compiler}-{target}"
    command = [compiler, *WARNINGS, *TARGETS[target], f"-I{KERNELS}", str(program), "-o", str(binary)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([str(binary)], capture_output=True, text=True)
    assert ran.returncode == 0, f"{compiler} {target}:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}"
    return ran.stdout.splitlines()[-1]


@pytest.mark.parametrize("header", sorted(KERNELS.glob("*.hxx")), ids=lambda path: path.name)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_header_compiles_alone(header: Path, compiler: str) -> None:
    for flags in TARGETS.values():
        run = subprocess.run(
            [compiler, *WARNINGS, *flags, "-fsyntax-only", "-x", "c++", str(header)], capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_kernel(program: Path, tmp_path: Path) -> None:
    digests = {
        (compiler, target): build_and_run(program, compiler, target, tmp_path)
        for compiler in COMPILERS
        for target in TARGETS
    }
    fused = {key: digest for key, digest in digests.items() if key[1] in FUSED}
    assert len(set(fused.values())) <= 1, fused
