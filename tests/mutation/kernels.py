"""``python tests/mutation/kernels.py``: makes each mistake of kernel_mutants.py and runs its tests. See README.md."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent), str(ROOT)]

from kernel_mutants import MUTANTS, Mutant  # noqa: E402

from compilers import COMPILERS, build_and_run  # noqa: E402

PROGRAMS = ROOT / "tests" / "kernels" / "cpp"
QUICK = [(COMPILERS[0], flags) for flags in (("-O1", "-march=native"), ("-O1",))]
"""Configurations in which a program is tried first, because most mistakes show in any."""


TIMEOUT = 1200
"""Seconds after which tests hang, for example because memory was overwritten."""


def pytest_fails(tests: str) -> bool:
    """Whether a test fails, or hangs."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *shlex.split(tests)]
    environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT), "SOFIE_JIT_CACHE": "off"}
    try:
        run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return True
    return run.returncode != 0


def program_fails(name: str) -> bool:
    """Whether a test program of a kernel fails, or gives other bits from another compiler."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            for configuration in QUICK:
                build_and_run(PROGRAMS / f"{name}.cc", Path(directory), configuration)
        except AssertionError:
            return True
    return pytest_fails(f"tests/kernels/test_kernels.py -k few-{name}")


def is_caught(mutant: Mutant) -> bool:
    """Makes the mistake in the source tree, runs the tests, and mends it."""
    path = ROOT / "sofie_jit" / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != 1:
        raise ValueError(
            f"{mutant.file} should have this text once, has it {text.count(mutant.old)} times: {mutant.old}"
        )
    path.write_text(text.replace(mutant.old, mutant.new))
    try:
        return (pytest_fails if mutant.tests.startswith("tests/") else program_fails)(mutant.tests)
    finally:
        path.write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/mutation/kernels.py", description=__doc__)
    parser.add_argument("--only", default="", help="mutants whose file contains this")
    parser.add_argument("--from", type=int, default=0, dest="first", help="number of the first mutant")
    options = parser.parse_args()
    survivors = []
    chosen = [(n, mutant) for n, mutant in enumerate(MUTANTS) if options.only in mutant.file and n >= options.first]
    for number, mutant in chosen:
        caught = is_caught(mutant)
        survivors += [] if caught else [number]
        print(f"{number}: {'caught' if caught else 'survived'} {mutant.file}: {mutant.why}", flush=True)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} caught; survivors: {survivors or 'none'}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
