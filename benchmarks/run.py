"""Run all benchmarks and write the results: a JSON file, tables, figures, and the section of the README.

    python benchmarks/run.py                      everything; 40 minutes on two cores, which should be idle
    python benchmarks/run.py --quick -o /tmp/try  test the script in a few minutes; leaves the README as it is

Each repetition measures each model in a new process, with one thread and with all cores; within a process the engines
take turns. Models are converted to the formats of the engines once. The JSON file is written after each model, so an
interrupted run loses at most one model:

    python benchmarks/run.py --resume benchmarks/results/DATE.json    add the measurements that the file lacks, and
                                                                      repeat those that were disturbed
    python benchmarks/run.py --report benchmarks/results/DATE.json    write tables and figures of the file
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import resource
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import figures
import summary

from sofie_jit.bench import engines_for, environment, find_engines
from sofie_jit.bench.measure import measure
from sofie_jit.errors import SofieError

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
DISTURBED = 0.25
"""A measurement is invalid if other programs used, or the host withheld, at least this number of cores."""


def begin(args: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """Return the results file and its content; a new file contains no measurements, only date, machine and versions."""
    command = " ".join(["python", "benchmarks/run.py", *sys.argv[1:]])
    machine, versions = environment.machine(), environment.versions()
    if args.resume:
        results: dict[str, Any] = json.loads(args.resume.read_text())
        changed = [f"{name}: {before}, now {now[name]}" for now, known in ((machine, "machine"), (versions, "versions"))
                   for name, before in results[known].items()
                   if now[name] != before and name != "load before"]  # fmt: skip
        if changed:
            sys.exit(f"{args.resume} was measured with {'; '.join(changed)}: start a new run without --resume")
        results["command"] += f", then {command}"
        kept = {_place(run) for run in results["runs"] if not run["problem"] and not _is_disturbed(run)}
        for kind in ("runs", "cells", "starts"):
            results[kind] = [row for row in results[kind] if _place(row) in kept]
        return args.resume, results
    date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    return args.output / f"{date}.json", {
        "date": date, "command": command, "machine": machine, "versions": versions,
        "runs": [], "cells": [], "starts": [],
    }  # fmt: skip


def _is_disturbed(run: dict[str, Any]) -> bool:
    return max(run["cores used by others"], run["cores stolen"]) >= DISTURBED


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return the identity of the run that a run, a cell or a start belongs to."""
    return row["repetition"], row["threads"], row["model"]


def run(args: argparse.Namespace, models: Path) -> tuple[Path, dict[str, Any]]:
    """Run all measurements; return the results file and its content. ``models``: directory for temporary files."""
    from models import BENCHMARKS

    names = args.models or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        sys.exit(f"unknown model: {', '.join(unknown)}; available models: {', '.join(BENCHMARKS)}")
    file, results = begin(args)
    repeat = dict(zip(args.threads, args.repeat, strict=True))
    results.setdefault("asked", {}).update({str(threads): count for threads, count in repeat.items()})
    done = {_place(run) for run in results["runs"]}
    planned = [
        (repetition, threads, name)
        for repetition, threads, name in itertools.product(range(max(args.repeat)), args.threads, names)
        if repetition < repeat[threads] and (repetition, threads, name) not in done
    ]
    for place, (repetition, threads, name) in enumerate(planned):
        original = models / name / "original.keras"
        if not original.exists():
            original.parent.mkdir()
            BENCHMARKS[name].model().save(original)
        batches = BENCHMARKS[name].batches
        about = {"model": name, "repetition": repetition, "threads": threads}
        before = _clocks()
        try:
            cells, starts = measure(
                original,
                batches=(batches[0], batches[-1]) if args.quick and len(batches) > 1 else batches,
                engines=args.engines, threads=threads,
                starts=args.starts if repetition == 0 and threads == args.threads[0] else 0,
                rounds=2 if args.quick else 10, block=0.005 if args.quick else 0.03, directory=original.parent,
            )  # fmt: skip
            results["cells"] += [about | asdict(cell) for cell in cells]
            results["starts"] += [about | asdict(start) for start in starts]
            problem = ""
        except SofieError as error:  # an engine that crashes the process is also a result
            problem = str(error)
        wall, own, busy, stolen = (after - earlier for after, earlier in zip(_clocks(), before, strict=True))
        results["runs"].append(about | {
            "began": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "seconds": round(wall),
            "cores used by others": round(max(0.0, busy - own) / wall, 2), "cores stolen": round(stolen / wall, 2),
            "problem": problem,
        })  # fmt: skip
        _write(file, results)
        print(f"repetition {repetition + 1}, {threads} thread(s), {name}: {problem or f'{wall:.0f} s'}; "
              f"{len(planned) - place - 1} left", flush=True)  # fmt: skip
    return file, results


def _clocks() -> tuple[float, float, float, float]:
    """Return wall time, processor time of this program, of all programs, and withheld by the host, in seconds."""
    own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    ticks = [
        int(field) / os.sysconf("SC_CLK_TCK") for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    ]
    user, nice, system, _, _, interrupts, soft_interrupts, stolen, *_ = ticks
    busy = user + nice + system + interrupts + soft_interrupts
    return time.monotonic(), sum(usage.ru_utime + usage.ru_stime for usage in own), busy, stolen


def _write(file: Path, results: dict[str, Any]) -> None:
    """Write the results atomically, so that an interrupted run leaves a complete file."""
    temporary = file.with_suffix(".part")
    temporary.write_text(json.dumps(results, indent=1) + "\n")
    temporary.replace(file)


def report(file: Path, results: dict[str, Any]) -> list[Path]:
    """Write tables and figures next to ``file``, and the section of the README if ``file`` is in benchmarks/results."""
    page = file.parent / "README.md"
    page.write_text(summary.page(results))
    written = [file, page, *figures.draw(results, file.parent)]
    if file.parent.resolve() == RESULTS:
        summary.write_readme(ROOT / "README.md", results)
        written.append(ROOT / "README.md")
    return written


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, help="directory (default benchmarks/results)")
    parser.add_argument("--models", type=lambda text: text.split(","), help="comma-separated names (default all)")
    parser.add_argument("--engines", type=find_engines, default=engines_for("Keras"),
                        help="comma-separated names (default all)")  # fmt: skip
    parser.add_argument("--threads", type=numbers, default=sorted({1, environment.cores()}),
                        help="comma-separated numbers of threads (default 1 and the number of cores)")  # fmt: skip
    parser.add_argument("--repeat", type=numbers, default=[3], help="repetitions: one number, or a comma-separated "
                        "number for each of --threads (default 3)")  # fmt: skip
    parser.add_argument("--starts", type=int, default=3, help="new processes per model and engine, fewer for slow "
                        "engines; in the first repetition, with the first number of threads (default 3)")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="few batches and rounds; the figures are meaningless")
    parser.add_argument(
        "--resume", type=Path, metavar="FILE",
        help="add the measurements that this file lacks, and repeat those that were disturbed",
    )  # fmt: skip
    parser.add_argument("--report", type=Path, metavar="FILE", help="only write tables and figures of this file")
    args = parser.parse_args()
    if args.resume:
        args.output = args.resume.parent
    if args.quick and args.output.resolve() == RESULTS:
        parser.error("the figures of --quick are meaningless: write them to another directory with -o")
    args.repeat = args.repeat * len(args.threads) if len(args.repeat) == 1 else args.repeat
    if len(args.repeat) != len(args.threads):
        parser.error(f"--repeat has {len(args.repeat)} numbers, --threads {len(args.threads)}")
    if args.report:
        file, results = args.report, json.loads(args.report.read_text())
    else:
        args.output.mkdir(parents=True, exist_ok=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C: also ends the measuring process
        try:
            with tempfile.TemporaryDirectory() as models:
                file, results = run(args, Path(models))
        except KeyboardInterrupt:
            sys.exit("interrupted: --resume continues from the results written so far, --report writes their tables")
    print("\n".join(map(str, report(file, results))))


if __name__ == "__main__":
    main()
