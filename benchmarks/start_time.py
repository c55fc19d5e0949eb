"""Measure the time from the start of an interpreter to the first result and its end, compared with ONNX Runtime.

    python benchmarks/start_time.py [--repeats 10] [--json FILE]

Three programs take turns, each in a new interpreter with one thread that computes one row: ONNX Runtime with the ONNX
file that ``save_onnx`` writes, the compiled library of the same model, and its Keras file, whose machine code is in the
cache. The table shows medians of wall time and processor time, and medians of the ratios to ONNX Runtime of the same
turn. Results are compared; they agree to 1e-4.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from load_time import environment, processor_seconds

from sofie_jit.demo import MODEL_FILE
from sofie_jit.report import tables

MODELS = ("LSTM", "MobileNetV2", "ResNet50")
"""Models of models.py that are measured after the classifier of digits."""

PREPARE = """
import os, sys
import numpy as np
sys.path.insert(0, {here!r})
import sofie_jit
from models import BENCHMARKS
folder = sys.argv[1]
for name in {models}:
    BENCHMARKS[name].model().save(f"{{folder}}/{{name}}.h5")
for name in os.listdir(folder):
    if name.endswith(".h5"):
        model = sofie_jit.load(f"{{folder}}/{{name}}")
        model.save_onnx(f"{{folder}}/{{name[:-3]}}.onnx")
        model.save_library(f"{{folder}}/{{name[:-3]}}.so")
"""
"""Program that writes each model as a Keras file, an ONNX file and a compiled library."""

OURS = """
import sys
import numpy as np
import sofie_jit
model = sofie_jit.load(sys.argv[1], threads=1)
x = np.ones((1, *(size or 8 for size in model.input_shapes[0][1:])), np.float32)
print(model.infer(x).ravel()[:8].tolist())
"""

ONNX_RUNTIME = """
import sys
import numpy as np
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
given = session.get_inputs()[0]
x = np.ones((1, *(size if isinstance(size, int) else 8 for size in given.shape[1:])), np.float32)
print(session.run(None, {given.name: x})[0].ravel()[:8].tolist())
"""

KINDS = {"ONNX Runtime": (ONNX_RUNTIME, ".onnx"), "library": (OURS, ".so"), "cache": (OURS, ".h5")}


def measure(program: str, path: Path, folder: Path) -> tuple[list[float], tuple[float, float]]:
    """Return the first numbers of the result, and wall time and processor time in seconds."""
    start = time.perf_counter(), processor_seconds()
    variables = {**environment(), "SOFIE_JIT_CACHE": str(folder / "cache")}
    run = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, env=variables)
    took = time.perf_counter() - start[0], processor_seconds() - start[1]
    if run.returncode:
        raise SystemExit(run.stderr.decode())
    return json.loads(run.stdout), took


def fill_cache(path: Path, folder: Path) -> None:
    """Load a model until its file is in the cache; the code is compiled and the file recorded in the background."""
    cache, deadline = folder / "cache", time.monotonic() + 300
    before = set(cache.rglob("*.model"))
    while set(cache.rglob("*.model")) == before:
        if time.monotonic() > deadline:
            raise SystemExit(f"{path.name} is not in the cache after 300 s")
        measure(OURS, path, folder)
        time.sleep(2)
    settled = time.monotonic() + 60
    while list(cache.rglob("*.want")) and time.monotonic() < settled:  # the background process is still at work
        time.sleep(1)


def rows(measured: dict[str, dict[str, list[tuple[float, float]]]]) -> list[list[str]]:
    shown = [["", "", "wall", "processor", "wall, ratio", "processor, ratio"]]
    for name, kinds in measured.items():
        for kind, seconds in kinds.items():
            pairs = list(zip(seconds, kinds["ONNX Runtime"], strict=True))
            ratios = [statistics.median(ours[i] / reference[i] for ours, reference in pairs) for i in range(2)]
            medians = [statistics.median(column) for column in zip(*seconds, strict=True)]
            shown.append([name, kind, *map(tables.duration, medians), *(f"{ratio:.2f}" for ratio in ratios)])
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10, help="number of measurements of each (default 10)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all measurements to this file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "cache").mkdir(mode=0o700)
        shutil.copy(MODEL_FILE, folder / "digits.h5")
        prepare = PREPARE.format(here=str(Path(__file__).parent), models=MODELS)
        command = [sys.executable, "-c", prepare, directory]
        subprocess.run(command, check=True, env=environment(), stderr=subprocess.DEVNULL)
        measured: dict[str, dict[str, list[tuple[float, float]]]] = {}
        for name in ("digits", *MODELS):
            fill_cache(folder / f"{name}.h5", folder)
            measured[name] = {kind: [] for kind in KINDS}
            for repeat in range(args.repeats + 1):
                results = {}
                for kind, (program, suffix) in KINDS.items():
                    results[kind], seconds = measure(program, folder / f"{name}{suffix}", folder)
                    if repeat:
                        measured[name][kind].append(seconds)
                for found in results.values():
                    pairs = zip(found, results["ONNX Runtime"], strict=True)
                    assert all(abs(ours - reference) < 1e-4 for ours, reference in pairs), results
    print(tables.text(rows(measured)))
    if args.json:
        args.json.write_text(json.dumps({"columns": ["wall", "processor"], "seconds": measured}, indent=1) + "\n")


if __name__ == "__main__":
    main()
