"""``python tests/fuzz``: reads thousands of broken files in processes that may crash. See README.md."""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing.connection
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from harness import refused_by_copy, verdict  # noqa: E402
from mutations import all_seeds, is_raw, numbered  # noqa: E402

TURN = 500
"""Inputs per process, before a new one replaces it."""
STUCK = 30.0
"""Processor seconds after which an input counts as a hang if no timer in the process could end it."""
PROCESSES = multiprocessing.get_context("fork")  # modules are imported once

KINDS = ["loads", "refused", "failed", "unwritable"]


def work(turn: range, first: int, names: list[str], directory: str, copies: bool, shared: Any, connection: Any) -> None:
    """Runs a turn of inputs; ``shared`` has the current number and the counts of each kind; findings are sent."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    path, seen = Path(directory) / f"mutant_{os.getpid()}", set()
    gc.disable()  # a sixth faster; the garbage of a turn ends with the process
    for number in turn:
        shared[0] = number
        recipe = numbered(first, number, names)
        if copies and not is_raw(recipe):
            continue
        try:
            kind, what = verdict(recipe, path, None if copies else False)
        except Exception:  # the edits contradict each other, or h5py cannot write them
            kind, what = "unwritable", ""
        shared[1 + KINDS.index(kind)] += 1
        if kind == "failed" or (kind == "loads" and what not in seen):
            seen.add(what)
            connection.send((number, kind, what))
    shared[0] = turn.stop
    path.unlink(missing_ok=True)


class Worker:
    """A process with a turn of inputs."""

    def __init__(self, turn: range, first: int, names: list[str], directory: str, copies: bool):
        self.turn = turn
        self.shared = PROCESSES.RawArray("q", [turn.start, *[0] * len(KINDS)])
        self.connection, child = PROCESSES.Pipe(duplex=False)
        self.process = PROCESSES.Process(target=work, args=(turn, first, names, directory, copies, self.shared, child))
        self.process.start()
        child.close()
        self.since = (turn.start, 0.0)

    def is_stuck(self) -> bool:
        """Whether one input takes too much processor time; the clock may count other programs on the machine."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # the process has just ended
            return False
        seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        if self.shared[0] != self.since[0]:
            self.since = (self.shared[0], seconds)
        return seconds - self.since[1] > STUCK


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--start", type=int, default=0, help="the number of the first input, to go on where one ended")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop then, whatever is left")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="seeds whose names contain this")
    parser.add_argument("--copies", action="store_true", help="only blindly changed bytes, read as load reads them")
    parser.add_argument("--failures", type=Path, default=Path("fuzz_failures.jsonl"), help="where recipes are written")
    parser.add_argument("--survivors", type=Path, help="where recipes of different code are written, for compile.py")
    parser.add_argument("--report", type=float, default=60.0, help="seconds between two lines of counts")
    options = parser.parse_args()
    names = [name for name in all_seeds() if options.only in name]
    end = options.start + options.inputs
    todo = [range(i, min(i + TURN, end)) for i in range(options.start, end, TURN)][::-1]
    counts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    texts: set[str] = set()
    if options.survivors and options.survivors.exists():
        texts |= {json.loads(line).get("code", "") for line in options.survivors.read_text().splitlines()}
    workers: list[Worker] = []
    start = reported = time.monotonic()

    def keep(number: int, kind: str, what: str) -> None:
        made = numbered(options.seed, number, names)
        if kind == "failed":
            kinds[what[:120]] += 1
            if kinds[what[:120]] <= 3:
                print(f"  {number}: {what[:200]!a}\n    {json.dumps(made)[:200]}", flush=True)
                with options.failures.open("a") as file:
                    file.write(json.dumps({"why": what, "number": number, **made}) + "\n")
        elif what not in texts:
            texts.add(what)
            if options.survivors and not is_raw(made):
                with options.survivors.open("a") as file:
                    file.write(json.dumps({"code": what, **made}) + "\n")

    def died(worker: Worker, stuck: bool) -> None:
        """Judges the input of a crash: changed bytes may crash HDF5's library if ``load`` raises an error."""
        number = worker.shared[0]
        made = numbered(options.seed, number, names)
        why = "hangs" if stuck else f"dies of signal {-worker.process.exitcode}"
        if is_raw(made):
            counts["crashed HDF5"] += 1
            answer = refused_by_copy(made, Path(directory) / "mutant")
            why = answer and f"{why}; by load {answer}"
        if why:
            counts["failed"] += 1
            keep(number, "failed", why)
        if number + 1 < worker.turn.stop:
            todo.append(range(number + 1, worker.turn.stop))

    def report() -> None:
        total = sum(counts.values()) + sum(sum(worker.shared[1:]) for worker in workers)
        now = sum((Counter(dict(zip(KINDS, w.shared[1:], strict=True))) for w in workers), Counter()) + counts
        listed = ", ".join(f"{n:,} {kind}" for kind, n in sorted(now.items()) if n)
        print(f"{total:,} inputs in {time.monotonic() - start:.0f} s: {listed}; {len(texts):,} programs", flush=True)

    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as directory:
        while todo or workers:
            if time.monotonic() - start > options.seconds:
                todo.clear()
            if time.monotonic() - reported > options.report:
                report()
                reported = time.monotonic()
            while todo and len(workers) < options.jobs:
                workers.append(Worker(todo.pop(), options.seed, names, directory, options.copies))
            ready = multiprocessing.connection.wait([worker.connection for worker in workers], timeout=1)
            for worker in list(workers):
                if stuck := worker.is_stuck():
                    worker.process.kill()
                if worker.connection not in ready and not stuck:
                    continue
                try:
                    while stuck or worker.connection.poll():
                        keep(*worker.connection.recv())
                except EOFError:
                    worker.process.join()
                    workers.remove(worker)
                    counts.update(dict(zip(KINDS, worker.shared[1:], strict=True)))
                    if worker.shared[0] < worker.turn.stop:
                        died(worker, stuck)
    report()
    for why, number in kinds.most_common(40):
        print(f"{number:8} {why}")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
