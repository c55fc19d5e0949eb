"""Measure how long the first call at a new size waits: its time less that of the next call of the same size.

    python benchmarks/new_sizes.py
    python benchmarks/new_sizes.py --models U-Net --threads 1

Each network of open_sizes.py runs in a new interpreter. After the first call, batches and sizes grow call by call, so
that every call is the first one at its size; each is then repeated. All this happens several times, and the shortest
wait of each call counts, because other programs can only make it longer. The table shows the median and the maximum of
the waits in milliseconds, and how many texts Cling compiled during these calls.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import summary
from open_sizes import NETWORKS, save

CALLS = """
import json, sys, time
import numpy as np
import sofie_jit
from sofie_jit.jit.compiler import Compiler

file, shape, threads = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
model = sofie_jit.load(file, threads=threads)
define, texts = Compiler.define, []

def noted(self, text, *others):
    texts.append(text)
    return define(self, text, *others)

def seconds(x):
    start = time.perf_counter()
    model.infer(x)
    return time.perf_counter() - start

model.infer(np.ones((1, *shape), np.float32))
Compiler.define = noted
found = []
for number in range(24):
    sizes = [size // 2 + 4 * number for size in shape[:-1]]
    x = np.ones((1 + number % 6, *sizes, shape[-1]), np.float32)
    found.append(1e3 * (seconds(x) - seconds(x)))
print(json.dumps([found, len(texts)]))
"""
"""Program that prints the waits of the calls and the number of compiled texts."""


def measure(file: Path, shape: tuple[int, ...], threads: int) -> tuple[list[float], int]:
    """The waits of the calls, in milliseconds, and the number of compiled texts, in a new process."""
    command = [sys.executable, "-c", CALLS, str(file), json.dumps(shape), str(threads)]
    done = subprocess.run(command, env={**os.environ, "SOFIE_JIT_CACHE": "off"}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    waits, texts = json.loads(done.stdout)
    return waits, texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", metavar="NAME,...", default=",".join(NETWORKS), help=", ".join(NETWORKS))
    parser.add_argument("--threads", type=int, default=2, help="threads of a call (default 2)")
    parser.add_argument("--runs", type=int, default=5, help="processes per network (default 5)")
    args = parser.parse_args()
    names = args.models.split(",")
    if unknown := sorted(set(names) - NETWORKS.keys()):
        sys.exit(f"unknown networks {', '.join(unknown)}; there are {', '.join(NETWORKS)}")
    lines = []
    with tempfile.TemporaryDirectory() as directory:
        for name in names:
            file = Path(directory) / f"{name}.keras"
            save(NETWORKS[name], file)
            runs = [measure(file, NETWORKS[name].shape, args.threads) for _ in range(args.runs)]
            waits = [min(times) for times in zip(*(found for found, _ in runs), strict=True)]
            compiled = max(texts for _, texts in runs)
            lines.append([name, f"{statistics.median(waits):.2f}", f"{max(waits):.2f}", str(compiled)])
    titles = ["median, ms", "maximum, ms", "compiled"]
    print(summary.markdown(["model", *titles], lines))


if __name__ == "__main__":
    main()
