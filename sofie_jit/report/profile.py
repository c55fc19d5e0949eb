"""Profile: the time, arithmetic and memory of each operator, as a table and as a plot.

``models/profiling.py`` measures it.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Any

from sofie_jit.errors import MissingDependencyError, counted
from sofie_jit.report import tables
from sofie_jit.report.colors import hues

COLUMNS = ("operator", "layer", "output", "time", "share", "GFLOP/s", "of peak", "bytes")


@dataclass(frozen=True)
class Profile:
    """The result of :meth:`sofie_jit.Model.profile`.

    ``print`` and notebooks show it as a table, and :meth:`plot` draws bars.

    >>> import sofie_jit
    >>> from sofie_jit.demo import MODEL_FILE, load_digits
    >>> profile = sofie_jit.load(MODEL_FILE).profile(load_digits().images[:1])
    >>> profile.records[0]["operator"], profile.records[0]["output"], profile.records[0]["flops"]
    ('DirectConv', '(1, 8, 8, 16)', 18432)
    """

    records: list[dict[str, Any]]
    """One dict per operator in execution order, which ``pandas.DataFrame`` accepts. Its keys are ``operator`` (the
    operator that runs, such as DirectConv or WinogradConv for ONNX's Conv), ``layer`` (where the operator comes from),
    ``output`` (shape), ``seconds``, ``share`` (of the seconds of all operators), ``flops`` (floating-point operations;
    a multiply-add counts as 2), ``flops_per_second``, ``peak_share`` (of :attr:`peak`) and ``bytes`` (inputs, weights
    and outputs, each counted once). ``flops`` counts the operations of the operator's definition. Winograd's
    convolution and skipped zeros need fewer, so ``peak_share`` may exceed 1."""
    seconds: float
    """Seconds of one call of ``infer`` on one thread, without clocks between the operators."""
    peak: float
    """Floating-point operations per second that one core reaches on registers alone, measured on this machine."""

    @property
    def flops(self) -> int:
        """Floating-point operations of one call."""
        return sum(record["flops"] for record in self.records)

    def rows(self) -> list[tuple[str, ...]]:
        """The table as text: one row per operator, then their sum."""
        total = {
            "operator": counted(len(self.records), "operator"), "layer": "", "output": "", "share": 1.0,
            "seconds": self.operator_seconds,
            "flops": self.flops, "bytes": sum(record["bytes"] for record in self.records),
        }  # fmt: skip
        return [_row(record) for record in [*self.records, with_rates(total, self.peak)]]

    @property
    def operator_seconds(self) -> float:
        """The sum of the seconds of all operators."""
        return float(sum(record["seconds"] for record in self.records))

    @property
    def caption(self) -> str:
        """Time and speed of a whole call, its difference from the sum of the operators, and the peak."""
        difference = self.seconds - self.operator_seconds
        cause = (
            "checks of the arguments, memory for the results, calls of the operators, and delays caused by other "
            "programs"
            if difference >= 0
            else "clocks between the operators, or other programs, delay them"
        )
        return (
            f"sum of the operators: {_time(self.operator_seconds)}; "
            f"one call of infer: {_time(self.seconds)} ({_rate(self.flops / self.seconds)} GFLOP/s); "
            f"difference: {_time(difference)} ({cause}); "
            f"peak of one core: {_rate(self.peak)} GFLOP/s"
        )

    def __str__(self) -> str:
        *rows, total = self.rows()
        return "\n".join([tables.text([COLUMNS, *rows], left=3, total=total), "", *self.caption.split("; ")])

    def _repr_html_(self) -> str:
        *rows, total = self.rows()
        return tables.markup([COLUMNS, *rows], left=3, caption=self.caption, total=total)

    def plot(self, ax: Any = None, most: int = 30) -> Any:
        """Draws one bar per operator in execution order with matplotlib.

        ``ax``: matplotlib axes to draw on, by default those of a new figure.
        ``most``: largest number of bars. If there are more operators, the fastest ones share one further bar.

        Returns the axes. Raises MissingDependencyError without matplotlib.

        >>> import sofie_jit
        >>> from sofie_jit.demo import MODEL_FILE, load_digits
        >>> profile = sofie_jit.load(MODEL_FILE).profile(load_digits().images)
        >>> profile.plot().figure.savefig("profile.svg")  # doctest: +SKIP
        """
        if ax is None:
            ax = _new_axes(min(len(self.records), most + 1))
        slowest = sorted(range(len(self.records)), key=lambda i: -self.records[i]["seconds"])[:most]
        bars = [_bar(self.records[i]) for i in sorted(slowest)]
        if rest := [r["seconds"] for i, r in enumerate(self.records) if i not in slowest]:
            bars.append((counted(len(rest), "other"), sum(rest), "others", ""))
        labels, seconds, types, peaks = zip(*bars, strict=True) if bars else ((), (), (), ())
        colors = {name: colorsys.hsv_to_rgb(hue, 0.5, 0.8) for name, hue in hues(types).items()}
        scale, unit = _unit(max(seconds, default=0.0))
        drawn = ax.barh(range(len(bars)), [s / scale for s in seconds], color=[colors[name] for name in types])
        ax.bar_label(drawn, peaks, padding=3, fontsize=8)
        ax.set_yticks(range(len(bars)), labels, fontsize=8)
        ax.invert_yaxis()
        ax.margins(x=0.2)
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_xlabel(f"time ({unit})")
        ax.set_title(self.caption.replace("; ", "\n"), fontsize=9)
        return ax


def with_rates(record: dict[str, Any], peak: float) -> dict[str, Any]:
    """``record`` with ``flops_per_second`` and ``peak_share``, computed from its ``flops`` and ``seconds``."""
    rate = record["flops"] / record["seconds"] if record["seconds"] else 0.0
    return record | {"flops_per_second": rate, "peak_share": rate / peak}


def _new_axes(bars: int) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(f"plot draws with matplotlib: pip install matplotlib ({error})") from error
    return Figure(figsize=(8, 1.2 + 0.28 * bars), layout="constrained").add_subplot()


def _bar(record: dict[str, Any]) -> tuple[str, float, str, str]:
    """Label, seconds, operator and remark of a bar of the plot."""
    label = f"{record['operator']}  {record['layer']}".strip()
    return label, record["seconds"], record["operator"], f"{_percent(record['peak_share'])} of peak"


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    return (
        record["operator"],
        record["layer"],
        record["output"],
        _time(record["seconds"]),
        _percent(record["share"]),
        _rate(record["flops_per_second"]),
        _percent(record["peak_share"]),
        f"{record['bytes']:,}",
    )


def _unit(seconds: float) -> tuple[float, str]:
    return next(((scale, unit) for scale, unit in ((1.0, "s"), (1e-3, "ms")) if abs(seconds) >= scale), (1e-6, "us"))


def _time(seconds: float) -> str:
    scale, unit = _unit(seconds)
    return f"{seconds / scale:.2f} {unit}"


def _rate(flops_per_second: float) -> str:
    return f"{flops_per_second / 1e9:.1f}"


def _percent(share: float) -> str:
    return f"{share:.1%}"
