"""Measures everything and writes it down: a JSON file, tables, figures, and the section of the README.

    python benchmarks/run.py                      all, 40 minutes on two cores; let the machine do nothing else
    python benchmarks/run.py --quick -o /tmp/try  whether it works, some minutes; the README stays as it is

Each repetition measures each model in a new process, with one thread and with all cores; within it the engines take
turns. Conversions to the engines' formats are made once. The JSON file is written after each model, so a run that is
cut off loses one model at most:

    python benchmarks/run.py --resume benchmarks/results/DATE.json    measures what is not in the file, and once more
                                                                      what was disturbed, and adds it
    python benchmarks/run.py --report benchmarks/results/DATE.json    tables and figures of what is in the file
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

from sofie_jit.bench import ENGINES, environment, find_engines
from sofie_jit.bench.measure import measure
from sofie_jit.errors import SofieError

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
DISTURBED = 0.25
"""Cores that other programs used, or the machine's host withheld, from which on a measurement counts for nothing."""


def begin(args: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """The file of results, and what it has so far: nothing but the circumstances, unless ``--resume`` names one."""
    command = " ".join(["python", "benchmarks/run.py", *sys.argv[1:]])
    machine, versions = environment.machine(), environment.versions()
    if args.resume:
        results: dict[str, Any] = json.loads(args.resume.read_text())
        changed = [f"{name}: {before}, now {now[name]}" for now, known in ((machine, "machine"), (versions, "versions"))
                   for name, before in results[known].items()
                   if now[name] != before and name != "load before"]  # fmt: skip
        if changed:
            sys.exit(f"{args.resume} was measured with {'; '.join(changed)}: start anew")
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
    """The run that a run, a cell or a start is of."""
    return row["repetition"], row["threads"], row["model"]


def run(args: argparse.Namespace, models: Path) -> tuple[Path, dict[str, Any]]:
    """All measurements, and the file that has them; ``models`` is where files are kept meanwhile."""
    from models import BENCHMARKS

    names = args.models or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        sys.exit(f"no such model: {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
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
        except SofieError as error:  # an engine that ends the process is a result, too
            problem = str(error)
        wall, ours, busy, stolen = (after - earlier for after, earlier in zip(_clocks(), before, strict=True))
        results["runs"].append(about | {
            "began": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "seconds": round(wall),
            "cores used by others": round(max(0.0, busy - ours) / wall, 2), "cores stolen": round(stolen / wall, 2),
            "problem": problem,
        })  # fmt: skip
        _write(file, results)
        print(f"repetition {repetition + 1}, {threads} thread(s), {name}: {problem or f'{wall:.0f} s'}; "
              f"{len(planned) - place - 1} to go", flush=True)  # fmt: skip
    return file, results


def _clocks() -> tuple[float, float, float, float]:
    """Seconds: of the wall, of processors used by this program, by all, and withheld by the machine's host."""
    own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    ticks = [
        int(field) / os.sysconf("SC_CLK_TCK") for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    ]
    user, nice, system, _, _, interrupts, soft_interrupts, stolen, *_ = ticks
    busy = user + nice + system + interrupts + soft_interrupts
    return time.monotonic(), sum(usage.ru_utime + usage.ru_stime for usage in own), busy, stolen


def _write(file: Path, results: dict[str, Any]) -> None:
    """In one step: whoever ends this program finds the results of before or of now."""
    temporary = file.with_suffix(".part")
    temporary.write_text(json.dumps(results, indent=1) + "\n")
    temporary.replace(file)


def report(file: Path, results: dict[str, Any]) -> list[Path]:
    """Writes tables and figures beside ``file``, and the README's section if that is where its results are kept."""
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
    parser.add_argument("--models", type=lambda text: text.split(","), help="names, with commas (default all)")
    parser.add_argument("--engines", type=find_engines, default=list(ENGINES), help="names, with commas (default all)")
    parser.add_argument("--threads", type=numbers, default=sorted({1, environment.cores()}), help="default 1 and all")
    parser.add_argument("--repeat", type=numbers, default=[3], help="repetitions; with a comma, one number for each of "
                        "--threads (default 3)")  # fmt: skip
    parser.add_argument("--starts", type=int, default=3, help="fresh processes per model and engine, fewer if "
                        "slow; in the first repetition, with the first number of threads (default 3)")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="few batches and rounds: figures that mean nothing")
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="add to these results what they lack, and repeat what was disturbed"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="measure nothing, write tables and figures")
    args = parser.parse_args()
    if args.resume:
        args.output = args.resume.parent
    if args.quick and args.output.resolve() == RESULTS:
        parser.error("figures of --quick mean nothing: say with -o where to put them")
    args.repeat = args.repeat * len(args.threads) if len(args.repeat) == 1 else args.repeat
    if len(args.repeat) != len(args.threads):
        parser.error(f"--repeat has {len(args.repeat)} numbers, --threads {len(args.threads)}")
    if args.report:
        file, results = args.report, json.loads(args.report.read_text())
    else:
        args.output.mkdir(parents=True, exist_ok=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the measuring process ends, too
        try:
            with tempfile.TemporaryDirectory() as models:
                file, results = run(args, Path(models))
        except KeyboardInterrupt:
            sys.exit("cut off: --resume goes on with what has been written, --report makes tables of it")
    print("\n".join(map(str, report(file, results))))


if __name__ == "__main__":
    main()
