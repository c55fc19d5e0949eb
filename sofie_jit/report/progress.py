"""What goes on, on standard error, where somebody can see it: a progress bar, and the steps of a long task."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from sofie_jit.report import tables

WIDTH = 30
PAUSE = 0.1
"""Seconds between two drawings."""


class Progress:
    """``with Progress(total) as bar: bar.advance(rows)``; silent unless ``shown``, by default on a terminal.

    ``total``: rows there are, None if that is not known.
    """

    def __init__(self, total: int | None, *, shown: bool | None = None):
        self.total, self.done = total, 0
        self.shown = sys.stderr.isatty() if shown is None else shown
        self._start = time.perf_counter()
        self._drawn = 0.0

    def advance(self, rows: int) -> None:
        """``rows`` more are done."""
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
    """``with Steps(what, 3) as step: step("reading")``: a line that says which of so many steps goes on.

    It is gone at the end. ``shown``: by default on a terminal.
    """

    def __init__(self, what: str, count: int, *, shown: bool | None = None):
        self.what, self.count, self.done = what, count, 0
        self.shown = sys.stderr.isatty() if shown is None else shown

    def __call__(self, step: str) -> None:
        """The next step begins."""
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
