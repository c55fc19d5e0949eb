"""``python tests/fuzz``: broken files by the thousand, in processes that may die. See README.md."""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from harness import verdict  # noqa: E402
from mutations import recipe, seeds  # noqa: E402
from spare_layers import LAYERS  # noqa: E402

TURN = 500
"""Inputs that a process is given before a new one takes its place."""


def work(numbers: range, first: int, directory: str, connection: Any, only: str) -> None:
    """Sends ``(number, verdict, why)`` of every input; announces each, so that the parent knows what killed it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    names = [name for name in [*seeds(), *(f"layer:{i}" for i in range(len(LAYERS)))] if only in name]
    path = Path(directory) / f"mutant_{os.getpid()}"
    for number in numbers:
        generator = random.Random(f"{first} {number}")
        made = recipe(generator, generator.choice(names))
        connection.send((number, "begun", made))
        try:
            result = verdict(made, path)
        except Exception as error:  # the edits contradict each other, or h5py cannot write what they ask for
            result = ("unwritable", f"{type(error).__name__}: {error}")
        connection.send((number, *result))
    path.unlink(missing_ok=True)


class Worker:
    """A process and what it is at."""

    def __init__(self, numbers: range, options: argparse.Namespace, directory: str):
        self.numbers = numbers
        self.connection, child = mp.Pipe(duplex=False)
        self.process = mp.Process(target=work, args=(numbers, options.seed, directory, child, options.only))
        self.process.start()
        child.close()
        self.current: Any = None
        self.since = time.monotonic()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=1e9, help="stop then, whatever is left")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="seeds whose names contain this")
    parser.add_argument("--failures", type=Path, default=Path("fuzz_failures.jsonl"), help="where recipes are written")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    start = time.monotonic()
    todo = [range(i, min(i + TURN, options.inputs)) for i in range(0, options.inputs, TURN)][::-1]
    workers: list[Worker] = []

    def failed(made: Any, why: str) -> None:
        counts["failed"] += 1
        kinds[why[:120]] += 1
        if kinds[why[:120]] <= 3:
            print(f"  {why[:200]!a}\n    {json.dumps(made)[:200]}", flush=True)
            with options.failures.open("a") as file:
                file.write(json.dumps({"why": why, **made}) + "\n")

    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as directory:
        while todo or workers:
            if time.monotonic() - start > options.seconds:
                todo.clear()
            while todo and len(workers) < options.jobs:
                workers.append(Worker(todo.pop(), options, directory))
            ready = mp.connection.wait([worker.connection for worker in workers], timeout=1)
            for worker in list(workers):
                stuck = time.monotonic() - worker.since > 60
                if stuck:
                    worker.process.kill()
                if worker.connection not in ready and not stuck:
                    continue
                try:
                    number, kind, what = worker.connection.recv()
                    worker.since = time.monotonic()
                    worker.numbers = range(number + (kind != "begun"), worker.numbers.stop)
                    worker.current = what if kind == "begun" else None
                    if kind == "begun":
                        made = what
                        worker.made = made
                    elif kind == "failed":
                        failed(worker.made, what)
                    else:
                        counts[kind] += 1
                except EOFError:
                    worker.process.join()
                    workers.remove(worker)
                    if worker.current is not None:
                        why = "hangs" if stuck else f"dies of signal {-worker.process.exitcode}"
                        raw = any(edit[0] in ("bytes", "truncate", "splice", "cut") for edit in worker.current["edits"])
                        failed(worker.current, f"{why} ({'bytes' if raw else 'structure'})")
                        if worker.numbers.start + 1 < worker.numbers.stop:
                            todo.append(range(worker.numbers.start + 1, worker.numbers.stop))
    seconds = time.monotonic() - start
    total = sum(counts.values())
    print(f"{total:,} inputs in {seconds:.0f} s: " + ", ".join(f"{n:,} {kind}" for kind, n in sorted(counts.items())))
    for why, number in kinds.most_common(40):
        print(f"{number:8} {why}")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
