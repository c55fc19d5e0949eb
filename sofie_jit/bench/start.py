"""Measures the start of an engine in a new process: time to the first result, and memory.

:func:`measure` starts new interpreters with ``python -m sofie_jit.bench.start MODULE PATH INPUTS THREADS``.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from sofie_jit.bench import Inputs
from sofie_jit.errors import SofieError
from sofie_jit.jit import cache_folder

ENOUGH = 4.0
"""Seconds of all tries together after which no further one is started."""


def measure(module: str, path: Path, inputs: Inputs, threads: int, tries: int) -> tuple[float, int]:
    """Seconds from the start of an interpreter to the first result, and bytes of memory; the minima of ``tries`` tries.

    The cache of compiled models is off, so the time of sofie_jit is that of a model that is compiled.

    Fewer tries are made if they take more than :data:`ENOUGH` seconds together. ``module``: the engine's adapter;
    ``path``: the file that its ``convert`` wrote. Raises SofieError if the process fails.
    """
    with tempfile.TemporaryDirectory() as directory:
        file = f"{directory}/inputs.npz"
        np.savez(file, *inputs)
        command = [sys.executable, "-m", "sofie_jit.bench.start", module, str(path), file, str(threads)]
        runs = [_run(command)]
        while len(runs) < tries and sum(seconds for seconds, _ in runs) < ENOUGH:
            runs.append(_run(command))
    return min(seconds for seconds, _ in runs), min(memory for _, memory in runs)


def _run(command: list[str]) -> tuple[float, int]:
    start = time.perf_counter()
    environment = {**os.environ, cache_folder.VARIABLE: "off"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(MARK):
                seconds = time.perf_counter() - start
                process.communicate()
                return seconds, int(line.removeprefix(MARK))
        _, errors = process.communicate()
    raise SofieError(f"{command[3]} fails in a new process: {errors[-500:]}")


MARK = "first result; bytes of memory: "


def resident_memory() -> int:
    """Resident memory of this process in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


def main() -> None:
    """The new process: computes one result, then prints its memory."""
    module, path, file, threads = sys.argv[1:]
    with np.load(file) as stored:
        inputs = tuple(stored.values())
    importlib.import_module(f"sofie_jit.bench.{module}").load(Path(path), inputs, int(threads))(*inputs)
    print(MARK + str(resident_memory()), flush=True)


if __name__ == "__main__":
    main()
