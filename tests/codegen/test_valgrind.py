"""Saved headers under valgrind: no use of a number that was never set, no access beyond memory, nothing leaked.

``pytest -m slow tests/codegen/test_valgrind.py``; needs ``apt-get install valgrind``, which knows AVX2 and no AVX-512.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from test_sanitizers import COMPILERS, PROGRAM, blocks, network

from compilers import cpu_flags
from sofie_jit.codegen.print_header import export_header

FLAGS = ["-std=c++17", "-O1", "-g", "-mavx2", "-mfma"]
VALGRIND = ["valgrind", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite,possible"]
UNSET = "int main(int c, char **) { int *n = new int[2]; n[0] = c; return n[1] ? 3 : n[2]; }"


def run(directory: Path, source: str) -> subprocess.CompletedProcess[str]:
    (directory / "main.cc").write_text(source)
    command = [COMPILERS[0], *FLAGS, "main.cc", "-o", "main"]
    built = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[:3000]
    return subprocess.run([*VALGRIND, "./main"], cwd=directory, capture_output=True, text=True)


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("valgrind"), reason="needs valgrind"),
    pytest.mark.skipif(not {"avx2", "fma"} <= cpu_flags(), reason="this processor has no AVX2"),
]


@pytest.mark.parametrize("name", ["convolutional", "recurrent"])
def test_valgrind(name: str, tmp_path: Path) -> None:
    rmodel = network(f"keras3/{name}.keras", tmp_path)
    assert rmodel is not None
    (tmp_path / "net.hxx").write_text(export_header(rmodel, "net", weights="embedded", namespace="net")[0])
    ran = run(tmp_path, PROGRAM.format(includes='#include "net.hxx"', blocks="\n".join(blocks(rmodel, "net"))))
    assert ran.returncode == 0, ran.stdout[-500:] + ran.stderr[:5000]
    assert "done" in ran.stdout
    assert "ERROR SUMMARY: 0 errors" in ran.stderr


def test_it_finds_what_is_wrong(tmp_path: Path) -> None:
    ran = run(tmp_path, UNSET)
    assert ran.returncode == 9
    for report in ("uninitialised value", "Invalid read", "definitely lost"):
        assert report in ran.stderr
