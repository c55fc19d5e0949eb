"""Figures of a comparison of a model with its original."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from sofie_jit.errors import MissingDependencyError, counted
from sofie_jit.report import tables
from sofie_jit.verification.difference import TOLERANCE, Difference, Time

LEAST = 1e-9
"""Left end of the axis of differences; smaller differences are drawn there."""
MOST_LAYERS = 40
"""Maximum number of layers in the figure."""

AGREES, DIFFERS, LINE = "C0", "C3", "#555555"
"""Colors of what agrees, of what differs by more than rounding, and of the line at the tolerance."""

COLORS = {"sofie_jit": "C0", "model(x)": "C1", "predict": "C7", "tf.function": "C2"}


class Compared(Protocol):
    """The attributes of a Comparison that the figures show."""

    @property
    def source(self) -> str: ...
    @property
    def library(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def outputs(self) -> list[Difference]: ...
    @property
    def layers(self) -> list[Difference]: ...
    @property
    def times(self) -> list[Time]: ...
    @property
    def computed(self) -> list[np.ndarray]: ...
    @property
    def expected(self) -> list[np.ndarray]: ...
    @property
    def speedups(self) -> dict[int, float]: ...


def plot(found: Compared, figure: Any = None) -> Any:
    """Draws the figures of ``Comparison.plot``."""
    parts: list[tuple[Callable[[Compared, Any], None], float]] = [(_histogram, 3.2)]
    if found.layers:
        parts.append((_layers, 1.3 + 0.2 * min(len(found.layers), MOST_LAYERS)))
    if found.times:
        parts.append((_times, 3.6))
    heights = [height for _, height in parts]
    if figure is None:
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise MissingDependencyError("figures need matplotlib: pip install matplotlib") from None
        figure = Figure(figsize=(7.5, sum(heights)), layout="constrained")
    axes = figure.subplots(len(parts), squeeze=False, height_ratios=heights)[:, 0]
    for (draw, _), ax in zip(parts, axes, strict=True):
        draw(found, ax)
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def _histogram(found: Compared, ax: Any) -> None:
    agreeing, differing = (_rows(found, ok) for ok in (True, False))
    values = np.concatenate([agreeing, differing])
    top = max(1e-5, float(values.max(initial=0.0)) * 1.3)
    shown = values[values > 0]
    edges = np.geomspace(LEAST, top, 41)
    bars = [np.clip(part[part > 0], LEAST, None) for part in (agreeing, differing)]
    ax.hist(bars, edges, color=[AGREES, DIFFERS], edgecolor="white", linewidth=0.4, stacked=True)
    ax.set_xscale("log")
    ax.set_xlim(LEAST, top)
    ax.set_ylim(top=ax.get_ylim()[1] * 1.4)  # space for the text above the bars
    _rule(found, ax)
    less = f"\n(differences below {LEAST:.0e} are in the first bar)" if (shown < LEAST).any() else ""
    ax.set_xlabel(f"largest difference of a row, relative to the output's largest magnitude{less}")
    ax.set_ylabel("rows")
    worst = max((output.relative for output in found.outputs), default=0.0)
    verdict = "agrees with" if all(output.ok for output in found.outputs) else "differs from"
    equal = f"; {values.size - shown.size:,} further rows are equal to the last bit" if values.size > shown.size else ""
    ax.set_title(
        f"{found.source} {verdict} {found.version}: maximum difference {worst:.1e}\n"
        f"{counted(shown.size, 'row')}{equal}",
        fontsize=10,
    )


def _rows(found: Compared, ok: bool) -> np.ndarray:
    """The largest relative difference of each row, of the outputs that agree or of those that do not."""
    parts = [
        _worst_of_rows(np.abs(computed.astype(np.float64) - expected) / (output.scale or 1.0))
        for output, computed, expected in zip(found.outputs, found.computed, found.expected, strict=True)
        if computed.shape == expected.shape and output.ok == ok
    ]
    values = np.concatenate(parts) if parts else np.zeros(0)
    return values[np.isfinite(values)]


def _rule(found: Compared, ax: Any) -> None:
    """Marks the tolerance, and says what decides on both sides of it: only the color tells which outputs differ."""
    ax.axvline(TOLERANCE, color=LINE, linestyle="--", linewidth=1)
    ax.axvspan(TOLERANCE, ax.get_xlim()[1], color=LINE, alpha=0.08, linewidth=0)
    place = {"xycoords": ("data", "axes fraction"), "va": "top", "fontsize": 8, "color": LINE}
    ax.annotate(f"up to {TOLERANCE:.0e}: agrees ", (TOLERANCE, 0.99), ha="right", **place)
    beyond = f" beyond: agrees (blue)\n if at most twice as far\n from float64 as\n {found.library}; else red"
    ax.annotate(beyond, (TOLERANCE, 0.99), ha="left", **place)


def _worst_of_rows(part: np.ndarray) -> np.ndarray:
    worst: np.ndarray = part.reshape(len(part), -1).max(axis=1, initial=0.0) if part.ndim else part.reshape(1)
    return worst


def _layers(found: Compared, ax: Any) -> None:
    layers = found.layers
    if len(layers) > MOST_LAYERS:  # the worst layers, in order of computation
        worst = sorted(layers, key=lambda layer: -layer.relative)[:MOST_LAYERS]
        layers = [layer for layer in layers if any(layer is other for other in worst)]
    places = range(len(layers))
    finite = [layer.relative if np.isfinite(layer.relative) else 1.0 for layer in layers]
    shown = np.clip(finite, LEAST, None)
    ax.hlines(places, LEAST, shown, color="#cccccc", linewidth=1, zorder=1)
    ax.scatter(shown, places, c=[AGREES if layer.ok else DIFFERS for layer in layers], s=22, zorder=2)
    ax.axvline(TOLERANCE, color=LINE, linestyle="--", linewidth=1)
    ax.set_xscale("log")
    ax.set_xlim(LEAST * 0.8, max(1e-5, float(shown.max()) * 2))
    ax.set_yticks(places, [layer.name for layer in layers], fontsize=8)
    ax.invert_yaxis()
    ax.set_xlabel("largest difference of the layer's output, relative to its largest magnitude")
    count = counted(len(layers), "layer") if len(layers) == len(found.layers) else f"the {len(layers)} worst layers"
    ax.set_title(f"{count} in order of computation (red: differs by more than rounding)", fontsize=10)


def _times(found: Compared, ax: Any) -> None:
    engines = list(dict.fromkeys(time.engine for time in found.times))
    batches = sorted({time.batch for time in found.times})
    for engine in engines:
        points = sorted((time.batch, time.seconds) for time in found.times if time.engine == engine)
        color = COLORS.get(engine)
        ax.loglog(*zip(*points, strict=True), "o-", color=color, markersize=4)
        ax.annotate(f"  {engine}, {tables.duration(points[-1][1])}", points[-1], color=color, va="center", fontsize=9)
    ax.set_xticks(batches, [f"{batch:,}" for batch in batches])
    ax.minorticks_off()
    ax.margins(y=0.1)
    ax.set_xlim(batches[0] * 0.8, batches[-1] * (batches[-1] / batches[0]) ** 0.35 * 2)
    ticks = [tick for tick in (10.0**power for power in range(-7, 4)) if ax.get_ylim()[0] <= tick <= ax.get_ylim()[1]]
    ax.set_yticks(ticks, [tables.duration(tick) for tick in ticks])
    ax.grid(alpha=0.3)
    ax.set_xlabel("rows per call")
    ax.set_ylabel("time of one call")
    ratios = ", ".join(f"{tables.ratio(ratio)} (rows: {batch:,})" for batch, ratio in found.speedups.items())
    ax.set_title(f"speed-up over the fastest measured way of {found.library}:\n{ratios}", fontsize=10)
