"""Results of measurements as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from sofie_jit.bench import ENGINES
from sofie_jit.bench.measure import Cell, Start
from sofie_jit.report import tables


def best_peer(cells: Iterable[Cell], value: str = "median") -> float:
    """Seconds of the fastest engine other than this package; NaN if none was timed."""
    return min((getattr(cell, value) for cell in cells if not cell.problem and not ENGINES[cell.engine].ours),
               default=math.nan)  # fmt: skip


def table(cells: Sequence[Cell], starts: Sequence[Start] = ()) -> str:
    """A table of the engines for each batch and number of threads, the fastest first."""
    groups: dict[tuple[int, int], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.batch, cell.threads), []).append(cell)
    parts = [_group(group) for group in groups.values()]
    parts += _problems(cells)
    timed = {cell.engine for cell in cells if not cell.problem}
    if starts:
        rows = [("engine", "first result", "memory")]
        rows += [(s.engine, s.problem or f"{s.seconds * 1e3:.0f} ms", "" if s.problem else f"{s.memory / 1e6:.0f} MB")
                 for s in sorted(starts, key=lambda start: start.seconds)]  # fmt: skip
        parts.append(f"start of the interpreter to the first result, batch {starts[0].batch}\n{tables.text(rows)}")
    if notes := [f"{name}: {ENGINES[name].note}" for name in ENGINES if ENGINES[name].note and name in timed]:
        parts.append("\n".join(notes))
    return "\n\n".join(parts)


def _group(cells: Sequence[Cell]) -> str:
    best = {value: best_peer(cells, value) for value in ("minimum", "median")}
    rows: list[tuple[str, ...]] = [("engine", "minimum", "median", "minima / best", "medians / best", "difference")]
    for cell in sorted((c for c in cells if not c.problem), key=lambda c: c.median):
        times = [getattr(cell, value) for value in best]
        ratios = [f"{t / best[value]:.2f}" if best[value] > 0 else "-" for t, value in zip(times, best, strict=True)]
        rows.append((cell.engine, *map(microseconds, times), *ratios, f"{cell.difference:.0e}"))
    threads = "1 thread" if cells[0].threads == 1 else f"{cells[0].threads} threads"
    caption = f"batch {cells[0].batch}, {threads}, microseconds per call, and relative to the best peer"
    return f"{caption}\n{tables.text(rows)}"


def _problems(cells: Sequence[Cell]) -> list[str]:
    """A paragraph with every problem once, after the engines that have it, and their batches unless it is all."""
    batches = {cell.batch for cell in cells}
    engines: dict[str, dict[str, list[int]]] = {}
    for cell in cells:
        if cell.problem:
            engines.setdefault(cell.problem, {}).setdefault(cell.engine, []).append(cell.batch)
    lines = []
    for problem, found in engines.items():
        names = [f"{name} (batch {', '.join(map(str, at))})" if set(at) != batches else name
                 for name, at in found.items()]  # fmt: skip
        lines.append(f"{'; '.join(names)}: {problem}")
    return ["\n".join(lines)] if lines else []


def microseconds(seconds: float) -> str:
    """Microseconds with three digits, or all digits before the point.

    >>> microseconds(1.23456e-6), microseconds(0.0123456)
    ('1.23', '12346')
    """
    value = seconds * 1e6
    return f"{value:.{max(0, 2 - int(math.log10(value))) if value >= 1 else 2}f}" if value > 0 else "-"
