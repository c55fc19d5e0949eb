"""Measure how long the first call at a new size waits: its time less that of the next call of the same size.

    python benchmarks/new_sizes.py
    python benchmarks/new_sizes.py --models U-Net --threads 2 --cache off

Each network of open_sizes.py runs in a new interpreter, with an empty cache of compiled models. After the first call,
batches and sizes grow call by call, so that every call is the first one at its size; each is then repeated. The table
shows the medians and the maxima of the waits in milliseconds, how many texts Cling compiled during these calls, and the
same for calls once another process has compiled the functions that were deferred. Other programs that run meanwhile
show up in the maxima, so the load of the machine at the beginning is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import summary
from open_sizes import NETWORKS, save

CALLS = """
import json, statistics, sys, time
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

def waits(step):
    found = []
    for number in range(12):
        sizes = [size // 2 + 8 * number + step for size in shape[:-1]]
        x = np.ones((1 + number % 6, *sizes, shape[-1]), np.float32)
        found.append(1e3 * (seconds(x) - seconds(x)))
    return [statistics.median(found), max(found), len(texts)]

model.infer(np.ones((1, *shape), np.float32))
Compiler.define = noted
early = waits(0)
deadline = time.monotonic() + 60
while not model._execution.session.is_complete() and time.monotonic() < deadline:
    time.sleep(0.1)
model.infer(np.ones((1, *shape), np.float32))
texts.clear()
print(json.dumps([early, waits(4)]))
"""
"""Program that prints the median and the maximum of the waits and the number of compiled texts, early and later."""


def measure(file: Path, shape: tuple[int, ...], threads: int, cache: str) -> list[list[float]]:
    """What :data:`CALLS` prints for a network."""
    command = [sys.executable, "-c", CALLS, str(file), json.dumps(shape), str(threads)]
    done = subprocess.run(command, env={**os.environ, "SOFIE_JIT_CACHE": cache}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    found: list[list[float]] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", metavar="NAME,...", default=",".join(NETWORKS), help=", ".join(NETWORKS))
    parser.add_argument("--threads", type=int, default=1, help="threads of a call (default 1)")
    parser.add_argument("--cache", choices=("on", "off"), default="on", help="whether another process may compile")
    args = parser.parse_args()
    names = args.models.split(",")
    if unknown := sorted(set(names) - NETWORKS.keys()):
        sys.exit(f"unknown networks {', '.join(unknown)}; there are {', '.join(NETWORKS)}")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}\n")
    lines = []
    with tempfile.TemporaryDirectory() as directory:
        for name in names:
            file, cache = Path(directory) / f"{name}.keras", Path(directory) / name
            save(NETWORKS[name], file)
            results = measure(file, NETWORKS[name].shape, args.threads, str(cache) if args.cache == "on" else "off")
            cells = [[f"{middle:.2f} / {most:.2f}", str(texts)] for middle, most, texts in results]
            lines.append([name, *cells[0], *cells[1]])
    titles = ["at once, ms", "compiled", "later, ms", "compiled"]
    print(summary.markdown(["model", *titles], lines))


if __name__ == "__main__":
    main()
