"""Progress on standard error, shown by default on terminals only: a bar, and the steps of a long task."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from sofie_jit.report import tables

WIDTH = 30
"""Characters of the bar."""
PAUSE = 0.1
"""Seconds between two updates."""


class Progress:
    """A progress bar: ``with Progress(total) as bar: bar.advance(rows)``.

    ``total``: number of rows, or None if it is not known.
    ``shown``: whether the bar is printed; by default if standard error is a terminal.
    """

    def __init__(self, total: int | None, *, shown: bool | None = None):
        self.total, self.done = total, 0
        self.shown = sys.stderr.isatty() if shown is None else shown
        self._start = time.perf_counter()
        self._drawn = 0.0

    def advance(self, rows: int) -> None:
        """Counts ``rows`` more as done."""
        self.done += rows
        now = time.perf_counter()
        if self.shown and (now - self._drawn >= PAUSE or self.done == self.total):
            self._drawn = now
            print(f"\r{self}\033[K", end="", file=sys.stderr, flush=True)

    def __str__(self) -> str:
        seconds = time.perf_counter() - self._start
        rate = tables.ratio(self.done / seconds) if seconds > 0 else "-"
        if self.total is None:
            return f"{self.done:,} rows, {rate} per second"
        share = self.done / self.total if self.total else 1.0
        bar = "#" * int(share * WIDTH)
        remaining = (self.total - self.done) * seconds / self.done if self.done else 0.0
        return (
            f"[{bar:<{WIDTH}}] {share:4.0%}  {self.done:,} of {self.total:,} rows, {rate} per second, "
            f"{remaining:.0f} s left"
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.shown and self._drawn:
            print(file=sys.stderr)


class Steps:
    """One line with the current step of a task: ``with Steps("loading", 3) as step: step("reading")``.

    ``what``: the task.
    ``count``: number of steps.
    ``shown``: whether the line is printed; by default if standard error is a terminal.

    The line disappears at the end.
    """

    def __init__(self, what: str, count: int, *, shown: bool | None = None):
        self.what, self.count, self.done = what, count, 0
        self.shown = sys.stderr.isatty() if shown is None else shown

    def __call__(self, step: str) -> None:
        """Starts the next step, which is called ``step``."""
        self.done += 1
        if self.shown:
            print(f"\r{self.what}: {step} ({self.done} of {self.count})\033[K", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Steps:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
