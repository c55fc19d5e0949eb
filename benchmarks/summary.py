"""Summarizes the results of run.py: one figure per model, batch, thread count and engine, and Markdown tables."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sofie_jit.bench import ENGINES, engines_for
from sofie_jit.bench.report import microseconds

SOFIE_JIT, INSIDE = "sofie_jit", "header inside C++"
PEERS = [name for name in engines_for("Keras") if not ENGINES[name].ours]


SOFIE = json.loads(Path(__file__).with_name("sofie.json").read_text())
"""Times of SOFIE itself, and how they were measured. They are not part of a run, since SOFIE needs rewritten models."""


@dataclass(frozen=True)
class Row:
    """Results of one model, batch and thread count, over all repetitions."""

    model: str
    batch: int
    threads: int
    minimum: dict[str, float]
    """Engine -> minimum over all repetitions, in seconds; contains only engines that were timed."""
    median: dict[str, float]
    """Engine -> median of the repetitions' medians, in seconds."""
    ratios: dict[str, tuple[float, float]]
    """Engine -> minimum and median relative to the best peer of the same repetition: medians over repetitions."""

    @property
    def best_peer(self) -> str:
        return min((name for name in self.median if name in PEERS), key=self.median.__getitem__)


def summarize(results: dict[str, Any]) -> list[Row]:
    """Return the rows of a results file in the order of the file, without those that have no peer."""
    groups: dict[tuple[str, int, int], list[dict[str, Any]]] = {}
    for cell in results["cells"]:
        if not cell["problem"]:
            groups.setdefault((cell["model"], cell["batch"], cell["threads"]), []).append(cell)
    rows = []
    for (model, batch, threads), cells in groups.items():
        engines = [name for name in ENGINES if any(cell["engine"] == name for cell in cells)]
        if not set(engines) & set(PEERS):
            continue
        minimum = {name: min(c["minimum"] for c in cells if c["engine"] == name) for name in engines}
        median = {name: statistics.median(c["median"] for c in cells if c["engine"] == name) for name in engines}
        ratios = {name: (_ratio(cells, name, "minimum"), _ratio(cells, name, "median")) for name in engines}
        rows.append(Row(model, batch, threads, minimum, median, ratios))
    return rows


def _ratio(cells: Sequence[dict[str, Any]], engine: str, value: str) -> float:
    found = []
    for cell in cells:
        if cell["engine"] == engine:
            peers = [c[value] for c in cells if c["repetition"] == cell["repetition"] and c["engine"] in PEERS]
            found.append(cell[value] / min(peers))
    return statistics.median(found)


# -- Markdown --------------------------------------------------------------------------------------------------------


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def times_table(rows: Sequence[Row]) -> str:
    """Return medians in microseconds, with the best of each row in bold, and sofie_jit relative to the best peer."""
    engines = [name for name in ENGINES if any(name in row.median for row in rows)]
    python = [name for name in engines if name != INSIDE]  # engines called from Python: candidates for the best

    def line(row: Row) -> list[str]:
        best = min((name for name in python if name in row.median), key=row.median.__getitem__)
        times = [microseconds(row.median[name]) if name in row.median else "-" for name in engines]
        cells = [f"**{t}**" if name == best else t for name, t in zip(engines, times, strict=True)]
        if SOFIE_JIT not in row.ratios:
            return [f"{row.model}, {row.batch}", *cells, "-"]
        low, middle = row.ratios[SOFIE_JIT]
        slower = " (slower)" if middle > 1 else ""
        return [f"{row.model}, {row.batch}", *cells, f"{middle:.2f} / {low:.2f}{slower}"]

    return markdown(["model, batch", *engines, "relative to best peer"], map(line, rows))


def starts_table(starts: Sequence[dict[str, Any]]) -> str:
    """Return milliseconds and megabytes of a new process per model and engine, from its fastest repetition."""
    engines = [name for name in ENGINES if any(start["engine"] == name for start in starts)]
    models = list(dict.fromkeys(start["model"] for start in starts))
    found: dict[tuple[str, str], str] = {}
    for start in sorted((s for s in starts if not s["problem"]), key=lambda s: -s["seconds"]):
        found[start["model"], start["engine"]] = f"{start['seconds'] * 1e3:.0f} / {start['memory'] / 1e6:.0f}"
    rows = [[model, *(found.get((model, name), "-") for name in engines)] for model in models]
    return markdown(["model", *engines], rows)


def sofie_table(rows: Sequence[Row]) -> str:
    """Return the times of the saved header and of SOFIE's header, both inside C++; '' if there are none to compare."""
    lines = []
    for row in rows:
        theirs = SOFIE["microseconds"].get(row.model, {}).get(str(row.batch))
        if theirs and row.threads == 1 and INSIDE in row.median:
            header = [seconds[INSIDE] * 1e6 for seconds in (row.median, row.minimum)]
            there = SOFIE["LiteRT there"].get(row.model, {}).get(str(row.batch))
            normalized = "-"
            if there and "LiteRT" in row.median:
                normalized = f"{header[0] / (row.median['LiteRT'] * 1e6) / (theirs[-1] / there):.2f}"
            lines.append([f"{row.model}, {row.batch}", *(f"{time:g}" for time in theirs),
                          *(microseconds(time / 1e6) for time in header),
                          " / ".join(f"{time / theirs[-1]:.2f}" for time in header), normalized])  # fmt: skip
    columns = ["header, median", "header, minimum", "header / SkylakeX", "normalized by LiteRT"]
    return markdown(["model, batch", *SOFIE["columns"], *columns], lines) if lines else ""


def circumstances(results: dict[str, Any]) -> str:
    """Return the date and the machine, with an opening bracket that the caller closes."""
    machine = results["machine"]
    return (
        f"{results['date']} on {machine['processor']} ({', '.join(machine['instruction sets'])}; "
        f"{machine['cores']} cores, {machine['memory']}, {machine['system']}; load before: {machine['load before']}"
    )


def about(results: dict[str, Any]) -> str:
    """Return the date, the machine and the versions of a run."""
    listed = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return (
        f"Measured on {circumstances(results)}{_disturbance(results)}), {repetitions(results)}. {listed}. "
        f"To repeat: `{results['command']}`"
    )


def repetitions(results: dict[str, Any]) -> str:
    """Return how often each model was measured and, if the run was interrupted, how often it should have been."""
    done = Counter((run["threads"], run["model"]) for run in results["runs"] if not run["problem"])
    parts = []
    for threads in sorted({threads for threads, _ in done}):
        counts = [count for (with_threads, _), count in done.items() if with_threads == threads]
        least, most, asked = min(counts), max(counts), results["asked"][str(threads)]
        number = f"{least}" if least == most else f"{least} to {most}"
        parts.append(f"{number}{f' of {asked}' if least < asked else ''} on {_threads(threads)}")
    return f"repetitions: {', '.join(parts)}"


def _disturbance(results: dict[str, Any]) -> str:
    """Return how much of the processors was used by other programs and by the host."""
    others, stolen = (
        statistics.median(run[key] for run in results["runs"]) for key in ("cores used by others", "cores stolen")
    )
    return f"; during the run other programs used {others:.2f} cores, and the host withheld {stolen:.2f}"


def page(results: dict[str, Any]) -> str:
    """Return the page benchmarks/results/README.md, with all tables."""
    rows = summarize(results)
    parts = ["# Results", "", "Written by `benchmarks/run.py`.", "", about(results)]
    for threads in dict.fromkeys(row.threads for row in rows):
        parts += ["", f"## {_threads(threads)}", "",
                  "Median time per call in microseconds, from numpy input to numpy output. The last column is the time",
                  "of sofie_jit relative to the best peer (the fastest other engine) of the same repetition, medians /",
                  "minima. A header always uses one thread.", "",
                  times_table([row for row in rows if row.threads == threads])]  # fmt: skip
    for threads in dict.fromkeys(start["threads"] for start in results["starts"]):
        parts += ["", f"## Start of a new process, {_threads(threads)}", "",
                  "Milliseconds from the start of the interpreter to the first result, and megabytes of memory at that",
                  "moment, for the smallest batch.", "",
                  starts_table([start for start in results["starts"] if start["threads"] == threads])]  # fmt: skip
    if compared := sofie_table(rows):
        parts += ["", "## SOFIE", "", "Times of the saved header and of SOFIE's header, in microseconds inside C++.",
                  "This compares different runs on different machines. *header / SkylakeX*: median / minimum of the",
                  "header relative to the median of SOFIE. *normalized by LiteRT*: the ratio of the medians, each",
                  "relative to LiteRT's on the same machine, which reduces the effect of the machines' speeds.", "",
                  compared, "",
                  f"The figures of SOFIE were measured {SOFIE['taken']}."]  # fmt: skip
    problems = dict.fromkeys(
        [f"{c['model']}, batch {c['batch']}, {c['engine']}: {c['problem']}" for c in results["cells"] if c["problem"]]
        + [f"{run['model']}, {_threads(run['threads'])}: {run['problem']}" for run in results["runs"] if run["problem"]]
    )
    if problems:
        parts += ["", "## Not timed", "", *(f"* {problem}" for problem in problems)]
    return "\n".join([*parts, ""])


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


SECTION = re.compile(r"(<!-- benchmarks:.*?-->\n).*?(<!-- end of benchmarks -->)", re.DOTALL)
"""The section of the README that contains the table and the figure."""


def short_table(rows: Sequence[Row]) -> str:
    """Return the medians of sofie_jit, of the header inside C++, and of the best peer, in microseconds."""

    def line(row: Row) -> list[str]:
        times = [microseconds(row.median[name]) if name in row.median else "-" for name in (SOFIE_JIT, INSIDE)]
        peer = f"{microseconds(row.median[row.best_peer])} {row.best_peer}"
        ratio = f"{row.ratios[SOFIE_JIT][1]:.2f}" if SOFIE_JIT in row.ratios else "-"
        return [f"{row.model}, {row.batch}", *times, peer, ratio]

    return markdown(["model, batch", "sofie_jit", "header, in C++", "best peer", "ratio"], map(line, rows))


def write_readme(readme: Path, results: dict[str, Any]) -> None:
    """Write the short table for one thread and a figure into ``readme``."""
    rows = [row for row in summarize(results) if row.threads == 1]
    parts = [
        f"Median time per call in microseconds on one thread, from numpy input to numpy output "
        f"({results['machine']['processor']}, {results['date']}). The best peer is the fastest of LiteRT, ONNX "
        "Runtime, OpenVINO, XLA and Keras's own ways to run a model; the ratio is the time relative to it.",
        short_table(rows),
        "![time relative to the best peer](benchmarks/results/ratios.svg)",
    ]
    text = readme.read_text()
    if not SECTION.search(text):
        raise SystemExit(f"{readme} has no section between '<!-- benchmarks: -->' and '<!-- end of benchmarks -->'")
    readme.write_text(SECTION.sub(lambda m: m[1] + "\n\n".join(parts) + "\n" + m[2], text))
