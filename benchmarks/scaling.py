"""Measure the speed-up of two threads, and how the time per row depends on the batch.

    python benchmarks/scaling.py threads    two threads compared with two processes, about 6 minutes
    python benchmarks/scaling.py batches    time per row from batch 1 to 8192, about 4 minutes
    python benchmarks/scaling.py            both; --models and --rounds make it shorter

``threads``: two cores share caches, memory and the processor time that the host grants, so a speed-up of two is out of
reach. The reference is therefore the throughput of two independent processes, each pinned to one core, with one thread,
that evaluate the same model at the same time. For every model and batch of run.py that takes more than a millisecond,
three configurations take turns: one process alone, two processes at the same time, and one process with both cores and
``threads=2``. The table shows the speed-ups of the last two over the first, and the ratio of the two speed-ups.

``batches``: one pinned thread; all batches take turns. The table shows the minimum time per row, and its ratio to the
time per row of half the batch.

Writes scaling.json and scaling.md next to the results of run.py, after each model. Results that are not measured again
are kept.
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
"""``batches`` stops at the first batch that takes longer than this number of seconds per call."""

WINDOW = 0.25
"""Duration of a turn in seconds, in which a process makes as many calls as it can; longer if five calls take longer."""


def example(model: sofie_jit.Model, batch: int) -> np.ndarray:
    (shape,) = model.input_shapes
    return np.random.default_rng(0).normal(size=(batch, *shape[1:])).astype(np.float32)


# -- threads ---------------------------------------------------------------------------------------------------------


class Worker:
    """A process that evaluates a model on request, pinned to given cores."""

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process

    def begin(self, at: float, until: float, threads: int) -> None:
        """Make the process call the model between two times of the monotonic clock."""
        assert self._process.stdin
        self._process.stdin.write(f"{at} {until} {threads}\n")
        self._process.stdin.flush()

    def seconds(self) -> list[float]:
        """Return the duration of each call that finished in time."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"a measuring process ended with code {self._process.wait()}")
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
    """Run the main loop of a Worker's process."""
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
    """Return seconds per evaluation of one process, of two processes together, and of two threads.

    These are minima and medians over turns; None if a call takes less than :data:`WORTH_SHARING`. The figure of a turn
    is that of all its calls, so a process does not appear faster because the other one was delayed.
    """
    first, second = sorted(os.sched_getaffinity(0))[-2:]

    def turn(workers: Sequence[Worker], threads: int, call: float) -> float:
        """Return the seconds per call of all workers together in one turn; ``call``: approximate seconds of one call.

        If a worker is delayed so long that it completes no call, the turn is repeated with twice the duration.
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
                if place >= 0:  # the first turn is a warm-up
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
        ["model, batch", "one thread, ms", "two threads", "two processes", "threads relative to processes"], lines
    )


# -- batches ---------------------------------------------------------------------------------------------------------


def measure_batches(file: Path, rounds: int, largest: int) -> dict[int, tuple[float, float]]:
    """Return {batch: (minimum, median)} of the seconds per row, for powers of two up to ``largest``."""
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
    """Return the minima in microseconds per row, with the ratio to half the batch in brackets."""
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
    """Yield, after each model, the name of the measurement and its cells so far."""
    from models import BENCHMARKS

    names = args.models or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        sys.exit(f"unknown model: {', '.join(unknown)}; available models: {', '.join(BENCHMARKS)}")
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
    """Return the page benchmarks/results/scaling.md."""
    parts = ["# Scaling", "Written by `benchmarks/scaling.py`."]
    if "threads" in results:
        parts += [
            "## Two threads",
            "Speed-ups over one process with one thread, as medians / minima of turns: of two threads in one process, "
            "and of two processes with one thread each that run at the same time, each pinned to one core. The last "
            "column is the speed of the two threads relative to that of the two processes.",
            threads_table(results["threads"]["cells"]),
            _about(results["threads"]),
        ]
    if "batches" in results:
        parts += [
            "## Time per row",
            "Minimum time per row in microseconds on one thread, with the ratio to half the batch in brackets. All "
            "batches took turns.",
            batches_table(results["batches"]["cells"]),
            _about(results["batches"]),
        ]
    return "\n\n".join(parts) + "\n"


def _about(taken: dict[str, Any]) -> str:
    return f"Measured on {summary.circumstances(taken)}). To repeat: `{taken['command']}`"


def main() -> None:
    if sys.argv[1:2] == ["work"]:
        work(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="threads, batches (default both)")
    parser.add_argument("--models", type=lambda text: text.split(","), help="comma-separated names (default all)")
    parser.add_argument("--rounds", type=int, default=10, help="number of turns (default 10)")
    parser.add_argument("--largest", type=int, default=8192, help="largest batch (default 8192)")
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
