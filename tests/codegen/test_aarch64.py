"""The same bits on another architecture: under an emulator, kernels for NEON give the digests that this machine gives.

All but those of math.hxx: it calls libm, whose last digits differ between architectures.
Needs ``apt-get install g++-aarch64-linux-gnu qemu-user``; ``pytest -m slow tests/codegen/test_aarch64.py``.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from compilers import COMPILERS, KERNELS, PROGRAMS, TARGETS, build_and_run

CROSS, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which(CROSS) and shutil.which(EMULATOR)), reason=f"needs {CROSS} and {EMULATOR}")
@pytest.mark.skipif(len(TARGETS) < 2, reason="this processor has no fused multiply-add")
@pytest.mark.parametrize("program", [path for path in PROGRAMS if path.stem != "math"], ids=lambda path: path.stem)
def test_neon_gives_the_same_bits(program: Path, tmp_path: Path) -> None:
    binary = tmp_path / program.stem
    command = [CROSS, "-std=c++17", "-O2", "-static", "-pthread", f"-I{KERNELS}", str(program), "-o", str(binary)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[:3000]
    ran = subprocess.run([EMULATOR, str(binary)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    assert ran.stdout.splitlines()[-1] == build_and_run(program, tmp_path, (COMPILERS[0], TARGETS[1]))
