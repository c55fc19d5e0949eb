"""Each kernel header compiles alone without a warning, agrees with its reference, and gives the same bits from g++ and
clang++ on every instruction set with fused multiply-add that this machine has.
"""

from __future__ import annotations

import functools
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from compilers import BASELINE, COMPILERS, DIFFERENT, EVERY, KERNELS, PROGRAMS, RUNTIME, WARNINGS, build_and_run

HEADERS = sorted(KERNELS.glob("*/*.hxx"))


@pytest.mark.parametrize("header", HEADERS, ids=lambda path: f"{path.parent.name}/{path.name}")
@pytest.mark.parametrize("compiler", COMPILERS)
def test_header_compiles_alone(header: Path, compiler: str) -> None:
    for flags in ([], ["-march=native"]):
        run = subprocess.run(
            [compiler, *WARNINGS, *flags, f"-I{KERNELS}", "-fsyntax-only", "-x", "c++", "-"],
            input=f'#include "{header.relative_to(KERNELS)}"\n', capture_output=True, text=True,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("configurations", [DIFFERENT, pytest.param(EVERY, marks=pytest.mark.slow)], ids=["few", "all"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_kernel(program: Path, configurations: list[tuple[str, tuple[str, ...]]], tmp_path: Path) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = list(pool.map(functools.partial(build_and_run, program, tmp_path), configurations))
    fused = {digest for digest, (_, flags) in zip(digests, configurations, strict=True) if flags != BASELINE}
    assert len(fused) <= 1, dict(zip(configurations, digests, strict=True))


def test_only_references_include_references() -> None:
    kernels = [header for header in HEADERS if header.name != "reference.hxx"]
    assert not [header for header in kernels if 'reference.hxx"' in header.read_text()]
    assert {header.parent for header in kernels} == {header.parent for header in HEADERS if header not in kernels}


def test_lines_fit_120_columns() -> None:
    sources = [*HEADERS, *RUNTIME.glob("*.hxx"), *PROGRAMS[0].parent.iterdir()]
    lines = [(f"{path}:{i}", line) for path in sources for i, line in enumerate(path.read_text().splitlines(), 1)]
    assert not [place for place, line in lines if len(line) > 120]
