"""Measures everything and writes it down: a JSON file, tables, figures, and the section of the README.

    python benchmarks/run.py                      all, some hours on two cores; let the machine do nothing else
    python benchmarks/run.py --quick -o /tmp/try  whether it works, some minutes; the README stays as it is

Each repetition measures each model in a new process, with one thread and with all cores; within it the engines take
turns. Conversions to the engines' formats are made once.
"""

from __future__ import annotations

import argparse
import datetime
import json
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

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def run(args: argparse.Namespace, models: Path) -> tuple[Path, dict[str, Any]]:
    """All measurements, and the file that has them; ``models`` is where files are kept meanwhile."""
    from models import BENCHMARKS

    names = args.models or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        sys.exit(f"no such model: {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
    results: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "command": " ".join(["python", "benchmarks/run.py", *sys.argv[1:]]), "repetitions": args.repeat,
        "machine": environment.machine(), "versions": environment.versions(), "cells": [], "starts": [],
    }  # fmt: skip
    file = args.output / f"{results['date']}.json"
    for name in names:
        (models / name).mkdir()
        BENCHMARKS[name].model().save(models / name / "original.keras")
    for repetition in range(args.repeat):
        for threads in args.threads:
            for name in names:
                batches = BENCHMARKS[name].batches
                before = time.monotonic()
                cells, starts = measure(
                    models / name / "original.keras",
                    batches=(batches[0], batches[-1]) if args.quick and len(batches) > 1 else batches,
                    engines=args.engines, threads=threads, starts=args.starts,
                    rounds=2 if args.quick else 10, block=0.005 if args.quick else 0.03, directory=models / name,
                )  # fmt: skip
                results["cells"] += [{"model": name, "repetition": repetition, **asdict(cell)} for cell in cells]
                results["starts"] += [{"model": name, "repetition": repetition, **asdict(start)} for start in starts]
                file.write_text(json.dumps(results, indent=1) + "\n")
                taken = time.monotonic() - before
                print(f"repetition {repetition + 1}, {threads} thread(s), {name}: {taken:.0f} s", flush=True)
    return file, results


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, help="directory (default benchmarks/results)")
    parser.add_argument("--models", type=lambda text: text.split(","), help="names, with commas (default all)")
    parser.add_argument("--engines", type=find_engines, default=list(ENGINES), help="names, with commas (default all)")
    parser.add_argument("--threads", type=numbers, default=sorted({1, environment.cores()}), help="default 1 and all")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions (default 3)")
    parser.add_argument("--starts", type=int, default=1, help="fresh processes per engine and repetition (default 1)")
    parser.add_argument("--quick", action="store_true", help="few batches and rounds: figures that mean nothing")
    args = parser.parse_args()
    if args.quick and args.output == RESULTS:
        parser.error("figures of --quick mean nothing: say with -o where to put them")
    args.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as models:
        file, results = run(args, Path(models))
    (args.output / "README.md").write_text(summary.page(results))
    written = [file, args.output / "README.md", *figures.draw(results, args.output)]
    if args.output == RESULTS:
        summary.write_readme(ROOT / "README.md", results)
        written.append(ROOT / "README.md")
    print("\n".join(map(str, written)))


if __name__ == "__main__":
    main()
