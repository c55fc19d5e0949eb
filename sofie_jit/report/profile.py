"""Where a model's time goes: seconds, arithmetic and memory of each operator."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sofie_jit.errors import InputError, MissingDependencyError
from sofie_jit.ir.operators.operator import BATCH, ROperator, TensorType, bind_shape, format_shape, split_count
from sofie_jit.ir.rmodel import RModel
from sofie_jit.jit.compiler import Session, peak_flops
from sofie_jit.models.arguments import result_arrays
from sofie_jit.models.call import Call

BUDGET = 1.0
"""Seconds that measuring may take, if a few calls do not take longer."""
CALLS = range(8, 2001)
"""How many calls are measured, at least and at most."""

COLUMNS = ("operator", "layer", "output", "time", "share", "GFLOP/s", "of peak", "bytes")


@dataclass(frozen=True)
class Profile:
    """What :meth:`sofie_jit.Model.profile` found. ``print`` shows a table, notebooks too; :meth:`plot` draws bars."""

    records: list[dict[str, Any]]
    """One per operator in order of computation, ready for ``pandas.DataFrame``: ``operator`` (ONNX's name), ``layer``
    (where it came from), ``output`` (shape), ``seconds``, ``share`` (of all operators' seconds), ``flops``
    (floating-point operations, 2 per multiply-add), ``flops_per_second``, ``peak_share`` (of :attr:`peak`) and
    ``bytes`` (of inputs, weights and outputs, each once). Operations are those of the definition: Winograd's filtering,
    and passing over zeros, do with fewer and may come out above the peak."""
    seconds: float
    """One call from Python of the model as it usually runs, on one thread, without clocks between the operators."""
    peak: float
    """Floating-point operations per second of one core, as measured on registers alone."""

    @property
    def flops(self) -> int:
        """Floating-point operations of a call."""
        return sum(record["flops"] for record in self.records)

    def rows(self) -> list[tuple[str, ...]]:
        """The table as text: a row per operator, then their sum."""
        total = {
            "operator": f"{len(self.records)} operators", "layer": "", "output": "", "share": 1.0,
            "seconds": sum(record["seconds"] for record in self.records),
            "flops": self.flops, "bytes": sum(record["bytes"] for record in self.records),
        }  # fmt: skip
        _add_rates(total, self.peak)
        return [_row(record) for record in [*self.records, total]]

    @property
    def caption(self) -> str:
        """What the table does not say."""
        return (
            f"one call from Python takes {_time(self.seconds)} ({_rate(self.flops / self.seconds)} GFLOP/s); "
            f"peak of one core: {_rate(self.peak)} GFLOP/s"
        )

    def __str__(self) -> str:
        rows = [COLUMNS, *self.rows()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
        lines = [
            "  ".join(c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
            for row in rows
        ]
        rule = "-" * len(lines[0])
        return "\n".join(line.rstrip() for line in [lines[0], rule, *lines[1:-1], rule, lines[-1], "", self.caption])

    def _repr_html_(self) -> str:
        def tr(cells: Sequence[str], tag: str) -> str:
            align = ["left"] * 3 + ["right"] * (len(COLUMNS) - 3)
            inner = (
                f'<{tag} style="text-align: {a}">{html.escape(cell)}</{tag}>'
                for cell, a in zip(cells, align, strict=True)
            )
            return f"<tr>{''.join(inner)}</tr>"

        *body, total = self.rows()
        return (
            f"<table><caption>{html.escape(self.caption)}</caption><thead>{tr(COLUMNS, 'th')}</thead>"
            f"<tbody>{''.join(tr(row, 'td') for row in body)}</tbody><tfoot>{tr(total, 'th')}</tfoot></table>"
        )

    def plot(self, ax: Any = None, most: int = 30) -> Any:
        """Draws a bar per operator, in order of computation, with matplotlib, and returns the axes.

        ``ax``: axes to draw on; by default those of a new figure. ``most``: of more operators than this, the fastest
        are drawn as one bar.
        """
        if ax is None:
            try:
                from matplotlib.figure import Figure
            except ImportError as error:
                raise MissingDependencyError(f"plot draws with matplotlib: pip install matplotlib ({error})") from error
            ax = Figure(figsize=(8, 1.2 + 0.28 * min(len(self.records), most + 1)), layout="constrained").add_subplot()
        slowest = sorted(self.records, key=lambda record: -record["seconds"])[:most]
        shown = [record for record in self.records if any(record is other for other in slowest)]
        bars = [(f"{r['operator']}  {r['layer']}".strip(), r["seconds"], r["operator"], _percent(r["peak_share"]))
                for r in shown]  # fmt: skip
        if rest := [record["seconds"] for record in self.records if not any(record is other for other in shown)]:
            bars.append((f"{len(rest)} others", sum(rest), "others", ""))
        labels, seconds, kinds, peaks = zip(*bars, strict=True) if bars else ((), (), (), ())
        colors = {kind: f"C{i % 10}" for i, kind in enumerate(dict.fromkeys(kinds))}
        scale, unit = _unit(max(seconds, default=0.0))
        drawn = ax.barh(range(len(bars)), [s / scale for s in seconds], color=[colors[kind] for kind in kinds])
        ax.bar_label(drawn, [f"{peak} of peak" if peak else "" for peak in peaks], padding=3, fontsize=8)
        ax.set_yticks(range(len(bars)), labels, fontsize=8)
        ax.invert_yaxis()
        ax.margins(x=0.2)
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_xlabel(f"time ({unit})")
        ax.set_title(self.caption.replace("; ", "\n"), fontsize=9)
        return ax


def profile(lowered: RModel, *inputs: Any) -> Profile:
    """Measures each operator of ``lowered``, what a Model runs; see :meth:`sofie_jit.Model.profile`."""
    call = Call(lowered, lowered.outputs, threads=1)
    arrays = call.arguments.standardize(inputs)
    dims = call.arguments.bind(arrays)
    if not all(array.size for array in arrays):
        raise InputError("an empty batch takes no time: profile needs at least one row")
    results = result_arrays(call.outputs, None, dims)
    call.run(dims, arrays, results, threads=1)  # which checks what lies in the arrays
    session = Session(lowered, profile=True)
    sizes, tensors, infer = [dims[name] for name in session.rendering.dims], [*arrays, *results], call.builtin() or call
    op_timings, seconds = _measure(session, lambda: session.run(sizes, tensors), lambda: infer(*arrays))
    peak = peak_flops("float64" if any(array.dtype == np.float64 for array in results) else "float32")
    total = float(op_timings.sum()) or 1.0
    records = []
    for index, taken in zip(session.rendering.op_timings, op_timings.tolist(), strict=True):
        op = lowered.operators[index]
        record = {"operator": op.op_type, "layer": op.origin, **_work(op, lowered, dims)}
        record |= {"seconds": taken, "share": taken / total}
        records.append(_add_rates(record, peak))
    return Profile(records, seconds, peak)


def _measure(session: Session, clocked: Callable[[], Any], plain: Callable[[], Any]) -> tuple[np.ndarray, float]:
    """Seconds of each operator, and of a whole call: medians of the faster half of many calls, taken in turns."""
    clocked()
    plain()
    session.take_op_timings()
    op_timings, calls = [], []
    start = time.perf_counter()
    for done in range(CALLS.stop - 1):
        if done >= CALLS.start and time.perf_counter() - start > BUDGET:
            break
        clocked()
        op_timings.append(session.take_op_timings())
        before = time.perf_counter()
        plain()
        calls.append(time.perf_counter() - before)
    measured = np.array(op_timings)
    operators = measured[:, 1:] - measured[:, :1]
    undisturbed = operators[np.argsort(operators.sum(axis=1))[: -(-len(operators) // 2)]]
    whole = np.sort(calls)[: -(-len(calls) // 2)]
    return np.maximum(np.median(undisturbed, axis=0), 0.0), float(np.median(whole))


def _work(op: ROperator, rmodel: RModel, dims: dict[str, int]) -> dict[str, Any]:
    """What ``op`` computes and moves in a call with these sizes of run-time dimensions."""

    def bound(name: str, sizes: dict[str, int]) -> TensorType:
        kind = rmodel.tensor_type(name)
        return TensorType(kind.dtype, bind_shape(kind.shape, sizes))

    others = {name: size for name, size in dims.items() if name != BATCH}
    inputs = [bound(name, others) if name else None for name in op.inputs]
    outputs = [bound(name, others) for name in op.outputs if name]
    touched = [bound(name, dims) for name in dict.fromkeys((*op.inputs, *op.outputs)) if name]
    return {
        "output": " ".join(format_shape(bound(name, dims).shape) for name in op.outputs if name),
        "flops": op.flops(inputs, outputs) * dims.get(BATCH, 1),
        "bytes": sum(split_count(t.shape)[0] * np.dtype(t.dtype).itemsize for t in touched),
    }


def _add_rates(record: dict[str, Any], peak: float) -> dict[str, Any]:
    rate = record["flops"] / record["seconds"] if record["seconds"] else 0.0
    record |= {"flops_per_second": rate, "peak_share": rate / peak}
    return record


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
    return next(((scale, unit) for scale, unit in ((1.0, "s"), (1e-3, "ms")) if seconds >= scale), (1e-6, "us"))


def _time(seconds: float) -> str:
    scale, unit = _unit(seconds)
    return f"{seconds / scale:.2f} {unit}"


def _rate(flops_per_second: float) -> str:
    return f"{flops_per_second / 1e9:.1f}"


def _percent(share: float) -> str:
    return f"{share:.1%}"
