"""Measure the speed-up of one pass: models compiled with and without it take turns.

    python benchmarks/one_pass.py choose_winograd --models ResNet50,VGG16,m.keras
    python benchmarks/one_pass.py choose_winograd --conv 56,64,64 28,128,128 --batch 1,8
    python benchmarks/one_pass.py skip_zeros --dense 300,300 --batch 1,8,64,1024 --zeros 0,25,50,75

A model is one of models.py, one of keras.applications (with random weights), or a file. --conv creates models of one
3 x 3 convolution with "same" padding from the side of the image in pixels, input channels and output channels; --dense
creates models of one Dense layer from the numbers of inputs and outputs. One pinned thread. Inputs are normally
distributed; --zeros sets that percentage of them to zero. The table shows microseconds per call without and with the
pass, as medians and minima, and the speed-up. Models that the pass does not change are marked "not changed".

`sofie-jit profile m.keras` and `sofie-jit profile m.keras --batch 8` show the time and GFLOP/s of each operator.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import summary

from sofie_jit import frontends
from sofie_jit.bench import environment
from sofie_jit.bench.report import microseconds
from sofie_jit.passes.pipeline import PASSES, lower
from sofie_jit.report.timing import round_robin, sample_of

NAMES = [run.__name__ for required, run in PASSES if not required]


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def convolution(side: int, channels: int, outputs: int) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((side, side, channels)), keras.layers.Conv2D(outputs, 3, padding="same")])


def dense(inputs: int, outputs: int) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(outputs)])


def find(name: str, directory: Path) -> Path:
    """Return the file of a model; a named model is saved to ``directory``."""
    if Path(name).exists():
        return Path(name)
    import keras

    from models import BENCHMARKS, application

    known = [*BENCHMARKS, *(n for n in dir(keras.applications) if n[0].isupper())]
    if name not in known:
        sys.exit(f"{name} is neither a file nor one of the models {', '.join(known)}")
    path = directory / f"{name}.keras"
    (BENCHMARKS[name].model() if name in BENCHMARKS else application(name)).save(path)
    return path


def row(name: str, file: Path, batch: int, zeros: int, one: str, rounds: int) -> list[str]:
    """Measure one model and return its line of the table."""
    passes = {"without": [other for other in NAMES if other != one], "with": NAMES}
    title, network = f"{name}, {batch}" + (f", {zeros} % zeros" if zeros else ""), frontends.open(file)()
    without, changed = (lower(network, some).operators for some in passes.values())
    if repr(without) == repr(changed):
        return [title, "not changed", "", ""]
    models = {key: network.compile(threads=1, optimize=some) for key, some in passes.items()}
    shape = models["with"].input_shapes[0]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, *shape[1:])).astype(np.float32)
    x[rng.random(x.shape) < zeros / 100] = 0
    answers = {key: model.infer(x) for key, model in models.items()}
    scale = float(np.abs(answers["with"]).max())
    if not np.abs(answers["with"] - answers["without"]).max() <= 1e-4 * scale:
        sys.exit(f"{title}: the outputs with and without {one} differ by more than 1e-4 of their scale")
    measured = round_robin({key: sample_of(model.infer, x) for key, model in models.items()}, rounds=rounds)
    times = {key: (statistics.median(seconds), min(seconds)) for key, seconds in measured.items()}
    gains = (without / with_it for without, with_it in zip(times["without"], times["with"], strict=True))
    return [title, *(" / ".join(map(microseconds, times[key])) for key in ("without", "with")),
            " / ".join(f"{gain:.2f}" for gain in gains)]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", metavar="PASS", choices=NAMES, help=", ".join(NAMES))
    parser.add_argument("--models", metavar="NAME,...", type=lambda text: text.split(","), default=[])
    parser.add_argument("--conv", metavar="SIDE,IN,OUT", nargs="+", type=numbers, default=[])
    parser.add_argument("--dense", metavar="IN,OUT", nargs="+", type=numbers, default=[])
    parser.add_argument("--batch", type=numbers, default=(1,), help="comma-separated rows per call (default 1)")
    parser.add_argument("--zeros", type=numbers, default=(0,), help="comma-separated percentages of zeros in the input")
    parser.add_argument("--rounds", type=int, default=10, help="number of turns (default 10)")
    args = parser.parse_args()
    os.environ.update(environment.variables(1))
    environment.pin(1)
    lines = []
    with tempfile.TemporaryDirectory() as directory:
        files = {name: find(name, Path(directory)) for name in args.models}
        for side, channels, outputs in args.conv:
            name = f"{side} x {side} x {channels} to {outputs}"
            files[name] = Path(directory) / f"{side}_{channels}_{outputs}.keras"
            convolution(side, channels, outputs).save(files[name])
        for inputs, outputs in args.dense:
            name = f"{inputs} to {outputs}"
            files[name] = Path(directory) / f"{inputs}_{outputs}.keras"
            dense(inputs, outputs).save(files[name])
        for name, file in files.items():
            for batch in args.batch:
                lines += [row(name, file, batch, zeros, args.one, args.rounds) for zeros in args.zeros]
    print(summary.markdown([f"model, batch; {args.one}", "without", "with", "speed-up"], lines))


if __name__ == "__main__":
    main()
