"""Measure the time from the start of an interpreter to the first result, compared with `import tensorflow`.

    python benchmarks/load_time.py [--repeats 7] [--json FILE]

These take turns, each in a new interpreter with one thread: importing TensorFlow, loading a model and running it once
with batch 1, reading only ResNet50's weights, and the first batch of several rows after a batch of one row. The table
shows wall time and processor time (of the interpreter and the programs that it starts), as minima over the repeats
without the first one, the ratios to TensorFlow's import, and the goal, which is the maximum of that ratio. The cache of
compiled models is off. The ratio of ResNet50 does not include the time to read its weights. "A further small model" has
other sizes than the jet MLP, which the same interpreter loads first.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sofie_jit.demo import MODEL_FILE
from sofie_jit.report import tables

SMALL = ("jet MLP", "Higgs MLP", "LSTM", "GRU", "MNIST CNN", "transformer")
"""Models of models.py whose goal is a fifth of the time of TensorFlow's import."""

SAVE = """
import sys
sys.path.insert(0, {here!r})
from models import BENCHMARKS, mlp
for name in {models}:
    BENCHMARKS[name].model().save(f"{{sys.argv[1]}}/{{name}}.h5")
mlp(20, (48, 40), 3, "softmax").save(f"{{sys.argv[1]}}/further.h5")
"""

RUN = """
import json, sys, time
import numpy as np
import sofie_jit
for path in sys.argv[1:]:
    start = time.perf_counter(), time.process_time()
    model = sofie_jit.load(path)
    model.infer(np.ones((1, *model.input_shapes[0][1:]), np.float32))
    took = time.perf_counter() - start[0], time.process_time() - start[1]
print(json.dumps(took))
"""
"""Program that loads the models one after the other, runs each once, and prints the time that the last one took."""

BATCH = """
import json, sys, time
import numpy as np
import sofie_jit
model = sofie_jit.load(sys.argv[1])
rows = np.ones((12, *model.input_shapes[0][1:]), np.float32)
model.infer(rows[:1])
start = time.perf_counter(), time.process_time()
model.infer(rows)
took = time.perf_counter() - start[0], time.process_time() - start[1]
print(json.dumps(took))
"""
"""Program that runs a model once on one row, and then prints the time of the first batch of several rows."""

READ = """
import json, sys, time
import h5py
weights = []
start = time.perf_counter(), time.process_time()
with h5py.File(sys.argv[1]) as file:
    file["model_weights"].visititems(lambda name, item: weights.append(item[()]) if hasattr(item, "dtype") else None)
took = time.perf_counter() - start[0], time.process_time() - start[1]
assert sum(weight.nbytes for weight in weights) > 100e6
print(json.dumps(took))
"""

TENSORFLOW, READING = "import tensorflow", "reading ResNet50's weights"


@dataclass
class Turn:
    """A measurement in a new interpreter."""

    arguments: list[str]
    inside: bool = False
    """Whether the program prints its own time; otherwise the time from its start to its end is measured."""
    goal: float | None = None
    """Maximum of the time relative to TensorFlow's import."""
    reads: bool = False
    """Whether the time to read ResNet50's weights is subtracted before the ratio is computed."""


def turns(folder: Path) -> dict[str, Turn]:
    def run(*models: str) -> list[str]:
        return ["-c", RUN, *(str(folder / f"{model}.h5") for model in models)]

    return {
        TENSORFLOW: Turn(["-c", "import tensorflow"]),
        "the demo": Turn(["-c", RUN, str(MODEL_FILE)], goal=1 / 5),
        **{name: Turn(run(name), goal=1 / 5) for name in SMALL},
        "ResNet50": Turn(run("ResNet50"), goal=1 / 2, reads=True),
        READING: Turn(["-c", READ, str(folder / "ResNet50.h5")], inside=True),
        "first batch, jet MLP": Turn(["-c", BATCH, str(folder / "jet MLP.h5")], inside=True),
        "first batch, MNIST CNN": Turn(["-c", BATCH, str(folder / "MNIST CNN.h5")], inside=True),
        "a further small model": Turn(run("jet MLP", "further"), inside=True, goal=1 / 50),
    }


def environment() -> dict[str, str]:
    """Return environment variables that set one thread and keep compiled Python files between the turns."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    threads = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    return {**kept, **dict.fromkeys(threads, "1"), "TF_CPP_MIN_LOG_LEVEL": "3", "SOFIE_JIT_CACHE": "off"}


def measure(turn: Turn) -> tuple[float, float]:
    """Return wall time and processor time in seconds."""
    start = time.perf_counter(), processor_seconds()
    said = subprocess.run([sys.executable, *turn.arguments], capture_output=True, env=environment(), text=True)
    took = time.perf_counter() - start[0], processor_seconds() - start[1]
    if said.returncode:
        raise SystemExit(said.stderr)
    return tuple(json.loads(said.stdout)) if turn.inside else took


def processor_seconds() -> float:
    """Return the processor time of all child processes and their children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rows(todo: dict[str, Turn], best: dict[str, list[float]]) -> list[list[str]]:
    shown = [["", "wall", "processor", "wall, ratio", "processor, ratio", "goal"]]
    for name, turn in todo.items():
        ratios = [
            (best[name][i] - (best[READING][i] if turn.reads else 0)) / best[TENSORFLOW][i] for i in range(2)
        ]  # fmt: skip
        shown.append([
            name,
            *map(tables.duration, best[name]),
            *(f"{ratio:.3f}" for ratio in ratios),
            "" if turn.goal is None else f"{turn.goal:g}",
        ])  # fmt: skip
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, help="number of measurements of each (default 7)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all measurements to this file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        save = [sys.executable, "-c", SAVE.format(here=str(Path(__file__).parent), models=(*SMALL, "ResNet50")), folder]
        subprocess.run(save, check=True, env=environment(), stderr=subprocess.DEVNULL)
        todo = turns(Path(folder))
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in todo}
        for repeat in range(args.repeats + 1):
            for name, turn in todo.items():
                seconds = measure(turn)
                if repeat:
                    measured[name].append(seconds)
    best = {name: [min(column) for column in zip(*found, strict=True)] for name, found in measured.items()}
    print(tables.text(rows(todo, best)))
    if args.json:
        args.json.write_text(json.dumps({"columns": ["wall", "processor"], "seconds": measured}, indent=1) + "\n")


if __name__ == "__main__":
    main()
