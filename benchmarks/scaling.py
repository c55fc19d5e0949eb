"""How much two threads gain, and whether time grows in proportion to the batch.

    python benchmarks/scaling.py threads    two threads beside two processes, about 6 minutes
    python benchmarks/scaling.py batches    time per row from batch 1 to 8192, about 4 minutes
    python benchmarks/scaling.py            both; --models and --rounds make it shorter

``threads``: no program gets twice the speed of two cores that share caches, memory and the host's favour. So the
measure is what two processes reach that know nothing of each other, each pinned to a core, with one thread, evaluating
the same model at the same time. For every model and batch of run.py that takes more than a millisecond, three
processes take turns: one alone, two at the same time, and one with both cores and ``threads=2``. Shown are the two
speed-ups over the one alone, and their ratio: how much of what the two processes reach the two threads reach.

``batches``: one thread, pinned. All batches take turns. Shown is the least time per row, and that of each batch
relative to that of half the batch.

Writes scaling.json and scaling.md beside run.py's results, after each model; of what is not measured they keep what
they have.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import summary

import sofie_jit
from sofie_jit.bench import environment
from sofie_jit.report.timing import round_robin, sample_of

RESULTS = Path(__file__).parent / "results"

WORTH_SHARING = 1e-3
"""Seconds on one thread above which two threads are measured."""

LONGEST = 0.3
"""Seconds per call above which ``batches`` measures no bigger batch."""

WINDOW = 0.25
"""Seconds in which a process makes as many calls as it can, each turn; longer if five calls take longer."""


def example(model: sofie_jit.Model, batch: int) -> np.ndarray:
    (shape,) = model.input_shapes
    return np.random.default_rng(0).normal(size=(batch, *shape[1:])).astype(np.float32)


# -- threads ---------------------------------------------------------------------------------------------------------


class Worker:
    """A process that evaluates a model when told to, on ``cores``."""

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process

    def begin(self, at: float, until: float, threads: int) -> None:
        """Has it make calls between two times of the monotonic clock."""
        assert self._process.stdin
        self._process.stdin.write(f"{at} {until} {threads}\n")
        self._process.stdin.flush()

    def seconds(self) -> list[float]:
        """What each call took that was done in time."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"a process that measures ended with code {self._process.wait()}")
        found: list[float] = json.loads(line)
        return found


@contextmanager
def worker(file: Path, batch: int, cores: Sequence[int]) -> Iterator[Worker]:
    command = [sys.executable, __file__, "work", str(file), str(batch), ",".join(map(str, cores))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            ready = Worker(process)
            ready.seconds()
            yield ready
        finally:
            process.kill()


def work(file: str, batch: str, cores: str) -> None:
    """The process of a Worker."""
    os.sched_setaffinity(0, map(int, cores.split(",")))
    model, clock = sofie_jit.load(file), time.monotonic
    x = example(model, int(batch))
    y = model.infer(x, threads=1)
    print("[]", flush=True)  # ready
    for line in sys.stdin:
        at, until, threads = line.split()
        start, end, team = float(at), float(until), int(threads)
        model.infer(x, out=y, threads=team)
        while clock() < start:
            pass
        times = [clock()]
        while times[-1] < end:
            model.infer(x, out=y, threads=team)
            times.append(clock())
        print(json.dumps([after - before for before, after in itertools.pairwise(times) if after <= end]), flush=True)


def measure_threads(file: Path, batch: int, rounds: int) -> dict[str, float] | None:
    """Seconds per evaluation, minima and medians of turns: of one process, two processes together, two threads.

    None if it takes less than :data:`WORTH_SHARING`. A turn's figure is that of all its calls: a process is never
    faster than it would be beside the other just because that one was held up.
    """
    first, second = sorted(os.sched_getaffinity(0))[-2:]

    def turn(workers: Sequence[Worker], threads: int, call: float) -> float:
        """What the workers together need per call when they begin and end together; one ``call`` takes about so long.

        If one of them is held up so long that it makes no call, they have twice the time.
        """
        at = time.monotonic() + 0.02 + 2 * call
        for some in workers:
            some.begin(at, at + max(WINDOW, 6 * call), threads)
        found = [some.seconds() for some in workers]
        if not all(found):
            return turn(workers, threads, 2 * max(call, WINDOW / 6))
        return 1 / sum(len(seconds) / sum(seconds) for seconds in found)

    with ExitStack() as stack:
        one = stack.enter_context(worker(file, batch, [first]))
        alone = turn([one], 1, 0.2)
        if alone < WORTH_SHARING:
            return None
        other = stack.enter_context(worker(file, batch, [second]))
        both = stack.enter_context(worker(file, batch, [first, second]))
        found: dict[str, list[float]] = {"alone": [], "processes": [], "threads": []}
        for place in range(-1, rounds):
            turns = turn([one], 1, alone), turn([one, other], 1, alone), turn([both], 2, alone)
            for name, measured in zip(found, turns, strict=True):
                if place >= 0:  # the first time is for warming up
                    found[name].append(measured)
    return {f"{name}, {statistic.__name__}": statistic(seconds)
            for name, seconds in found.items() for statistic in (min, statistics.median)}  # fmt: skip


def threads_table(cells: Sequence[dict[str, Any]]) -> str:
    def pair(cell: dict[str, Any], value: Callable[[str], float]) -> str:
        return " / ".join(f"{value(statistic):.2f}" for statistic in ("median", "min"))

    lines = []
    for cell in cells:
        lines.append([
            f"{cell['model']}, {cell['batch']}", f"{cell['alone, median'] * 1e3:.2f}",
            pair(cell, lambda s, c=cell: c[f"alone, {s}"] / c[f"threads, {s}"]),
            pair(cell, lambda s, c=cell: c[f"alone, {s}"] / c[f"processes, {s}"]),
            pair(cell, lambda s, c=cell: c[f"processes, {s}"] / c[f"threads, {s}"]),
        ])  # fmt: skip
    return summary.markdown(
        ["model, batch", "one thread, ms", "two threads", "two processes", "of what processes reach"], lines
    )


# -- batches ---------------------------------------------------------------------------------------------------------


def measure_batches(file: Path, rounds: int, largest: int) -> dict[int, tuple[float, float]]:
    """Batch -> seconds per row, minimum and median, for powers of two up to ``largest``."""
    model = sofie_jit.load(file, threads=1)
    samples = {}
    for batch in (2**power for power in range(largest.bit_length())):
        x = example(model, batch)
        y = model.infer(x)
        samples[batch] = sample_of(lambda x, y=y: model.infer(x, out=y), x)
        if min(samples[batch](1) for _ in range(3)) > LONGEST:
            break
    measured = round_robin(samples, rounds=rounds, block=0.05)
    return {batch: (min(seconds) / batch, statistics.median(seconds) / batch) for batch, seconds in measured.items()}


def batches_table(cells: Sequence[dict[str, Any]]) -> str:
    """Microseconds per row, and in brackets relative to half the batch: minima."""
    models = list(dict.fromkeys(cell["model"] for cell in cells))
    least = {(cell["model"], cell["batch"]): cell["minimum"] for cell in cells}

    def text(model: str, batch: int) -> str:
        if (model, batch) not in least:
            return ""
        us = least[model, batch] * 1e6
        time = f"{us:.0f}" if us >= 1000 else f"{us:.3g}"
        return time if batch == 1 else f"{time} ({least[model, batch] / least[model, batch // 2]:.2f})"

    rows = [[str(batch), *(text(model, batch) for model in models)] for batch in sorted({b for _, b in least})]
    return summary.markdown(["batch", *models], rows)


# --------------------------------------------------------------------------------------------------------------------


def measure(args: argparse.Namespace, directory: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """What was asked for, after each model: its name and the cells so far."""
    from models import BENCHMARKS

    names = args.models or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        sys.exit(f"no such model: {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
    files = {name: directory / f"{place}.keras" for place, name in enumerate(names)}
    for name, file in files.items():
        BENCHMARKS[name].model().save(file)
    cells: list[dict[str, Any]] = []
    for name in names if "threads" in args.what else ():
        for batch in BENCHMARKS[name].batches:
            if seconds := measure_threads(files[name], batch, args.rounds):
                cells.append({"model": name, "batch": batch} | seconds)
        yield "threads", cells
    environment.pin(1)
    cells = []
    for name in names if "batches" in args.what else ():
        for batch, (least, median) in measure_batches(files[name], args.rounds, args.largest).items():
            cells.append({"model": name, "batch": batch, "minimum": least, "median": median})
        yield "batches", cells


def page(results: dict[str, Any]) -> str:
    """The tables as Markdown."""
    parts = ["# Scaling", "Written by `benchmarks/scaling.py`."]
    if "threads" in results:
        parts += [
            "## Two threads",
            "Speed-ups over one process with one thread: of two threads, and of two processes with one thread each, "
            "pinned to a core each, at the same time; and how much of what the two processes reach the two threads "
            "reach. Medians / minima of turns.",
            threads_table(results["threads"]["cells"]),
            _about(results["threads"]),
        ]
    if "batches" in results:
        parts += [
            "## Time per row",
            "Microseconds per row on one thread, and in brackets relative to half the batch. Minima; all batches took "
            "turns.",
            batches_table(results["batches"]["cells"]),
            _about(results["batches"]),
        ]
    return "\n\n".join(parts) + "\n"


def _about(taken: dict[str, Any]) -> str:
    return f"Measured on {summary.circumstances(taken)}). Again: `{taken['command']}`"


def main() -> None:
    if sys.argv[1:2] == ["work"]:
        work(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="threads, batches; default both")
    parser.add_argument("--models", type=lambda text: text.split(","), help="names, with commas (default all)")
    parser.add_argument("--rounds", type=int, default=10, help="turns (default 10)")
    parser.add_argument("--largest", type=int, default=8192, help="batch (default 8192)")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, help="directory (default benchmarks/results)")
    args = parser.parse_args()
    args.what = args.what or ["threads", "batches"]
    if unknown := set(args.what) - {"threads", "batches"}:
        parser.error(f"{', '.join(unknown)}: expected threads or batches")
    if "threads" in args.what and environment.cores() < 2:
        parser.error("two threads need two cores")
    args.output.mkdir(parents=True, exist_ok=True)
    file = args.output / "scaling.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    about = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "command": " ".join(["python", "benchmarks/scaling.py", *sys.argv[1:]]),
        "machine": environment.machine(), "versions": environment.versions(),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        for what, cells in measure(args, Path(directory)):
            results[what] = about | {"cells": cells}
            file.write_text(json.dumps(results, indent=1) + "\n")
            file.with_suffix(".md").write_text(page(results))
    print(page(results))


if __name__ == "__main__":
    main()
