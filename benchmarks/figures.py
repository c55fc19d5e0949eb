"""Draw the figures of the README from the results of run.py.

python benchmarks/figures.py benchmarks/results/RESULTS.json [--format png]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from summary import INSIDE, PEERS, SOFIE_JIT, Row, summarize

STYLES: dict[str, dict[str, Any]] = {
    SOFIE_JIT: {"color": "#c1121f", "marker": "o", "linewidth": 2.4},
    "header": {"color": "#c1121f", "marker": "s", "linewidth": 1.2, "linestyle": "--"},
    INSIDE: {"color": "#c1121f", "marker": "^", "linewidth": 1.2, "linestyle": ":"},
    "LiteRT": {"color": "#0077b6", "marker": "v"},
    "ONNX Runtime": {"color": "#2a9d8f", "marker": "D"},
    "OpenVINO": {"color": "#7b2cbf", "marker": "P"},
    "XLA": {"color": "#e09f3e", "marker": "X"},
    "tf.function": {"color": "#6c757d", "marker": "<"},
    "model(x)": {"color": "#adb5bd", "marker": ">"},
    "predict": {"color": "#ced4da", "marker": "d"},
}
"""This package in one color, peers in others; each engine has its own marker, for readers who cannot see the colors."""

matplotlib.rcParams.update({
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 1.2,
    "lines.markersize": 4.5, "svg.fonttype": "path", "svg.hashsalt": "sofie_jit", "savefig.facecolor": "white",
})  # fmt: skip


def _microseconds(seconds: float, _: Any = None) -> str:
    return next((f"{seconds / s:g} {unit}" for s, unit in ((1, "s"), (1e-3, "ms")) if seconds >= s * 0.999),
                f"{seconds * 1e6:g} us")  # fmt: skip


def times(rows: Sequence[Row]) -> Figure:
    """Return a log-log figure of time per call against batch, one panel per model with several batches."""
    models = {row.model: [r for r in rows if r.model == row.model] for row in rows}
    models = {name: group for name, group in models.items() if len(group) > 1}
    across = min(3, len(models))
    down = -(-len(models) // across)
    figure = Figure(figsize=(3.6 * across, 3.1 * down + 0.9), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False)
    for axes in panels.flat[len(models) :]:
        axes.set_axis_off()
    for axes, (name, group) in zip(panels.flat, models.items(), strict=False):
        for engine, style in STYLES.items():
            points = [(row.batch, row.median[engine]) for row in group if engine in row.median]
            if points:
                axes.loglog(*zip(*points, strict=True), label=engine, zorder=3 if engine == SOFIE_JIT else 2, **style)
        axes.set_title(name, fontweight="bold")
        axes.set_xticks([row.batch for row in group], [str(row.batch) for row in group])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(_microseconds))
        axes.grid(axis="y", color="#e9ecef")
        axes.set_xlabel("batch")
    for axes in panels[:, 0]:
        axes.set_ylabel("time per call (median)")
    handles, labels = max((axes.get_legend_handles_labels() for axes in panels.flat), key=lambda found: len(found[1]))
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    figure.suptitle(f"Time of one call, numpy in and numpy out, {_threads(rows)}: lower is better")
    return figure


def ratios(rows: Sequence[Row]) -> Figure:
    """Return a figure of each engine's time relative to the best peer's, one line per model and batch."""
    figure = Figure(figsize=(8.5, 0.24 * len(rows) + 1.7), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(rows))
    shown = [SOFIE_JIT, INSIDE, *(name for name in PEERS if name not in ("predict", "model(x)"))]
    for engine in shown:
        points = [
            (row.ratios[engine][1], place) for row, place in zip(rows, places, strict=True) if engine in row.ratios
        ]
        if points:
            style = STYLES[engine] | {"linestyle": "none", "markersize": 9 if engine == SOFIE_JIT else 5}
            axes.plot(*zip(*points, strict=True), label=engine, zorder=3 if engine == SOFIE_JIT else 2, **style)
    axes.axvline(1, color="#343a40", linewidth=1)
    axes.set_xscale("log")
    smallest = min([0.5, *(row.ratios[name][1] for row in rows for name in shown[:2] if name in row.ratios)])
    axes.set_xlim(smallest / 1.3, 20)
    ticks = [t for t in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if t >= smallest / 1.3]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks(places, [f"{row.model}, {row.batch}" for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(color="#e9ecef")
    axes.set_xlabel("median time relative to the best peer: left of 1 is faster than every peer (cut at 20)")
    figure.legend(loc="outside upper center", ncols=4, frameon=False, title=f"model, batch; {_threads(rows)}")
    return figure


def _threads(rows: Sequence[Row]) -> str:
    return "1 thread" if rows[0].threads == 1 else f"{rows[0].threads} threads"


def draw(results: dict[str, Any], directory: Path, kind: str = "svg") -> list[Path]:
    """Write the figures for each number of threads to ``directory`` and return their paths."""
    rows, written = summarize(results), []
    for threads in dict.fromkeys(row.threads for row in rows):
        some = [row for row in rows if row.threads == threads]
        for figure in (times, ratios):
            if figure is times and len({row.model for row in some}) == len(some):
                continue  # a line needs two batches
            path = directory / f"{figure.__name__}{'' if threads == 1 else f'-{threads}-threads'}.{kind}"
            figure(some).savefig(path, metadata={"Date": None} if kind == "svg" else None, dpi=110)
            written.append(path)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--format", default="svg", choices=["svg", "png", "pdf"])
    args = parser.parse_args()
    for path in draw(json.loads(args.results.read_text()), args.results.parent, args.format):
        print(path)


if __name__ == "__main__":
    main()
