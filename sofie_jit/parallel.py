"""A batch shared among threads: how many, which rows, and the pool that runs them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

FLOPS_PER_THREAD = 20e6
"""Work below which another thread does not pay: about a millisecond on one slow core."""
VARIABLES = ("SOFIE_JIT_NUM_THREADS", "OMP_NUM_THREADS")

_pool: ThreadPoolExecutor | None = None


def thread_count(threads: int | None) -> int:
    """``threads`` if given, else what the environment says, else the cores this process may use.

    Raises ValueError for a count that is no positive number.
    """
    sources = [("threads", threads), *((name, os.environ.get(name, "").split(",")[0] or None) for name in VARIABLES)]
    for name, value in sources:
        if value is not None:
            try:
                count = int(value)
            except (TypeError, ValueError):
                count = 0
            if count < 1:
                raise ValueError(f"{name} must be a positive number of threads, got {value!r}")
            return count
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shares(batch: int, threads: int, flops_per_row: float) -> list[slice]:
    """Rows per thread: at most ``threads`` slices of about one size, fewer if the work is small."""
    count = max(1, min(threads, batch, int(batch * flops_per_row / FLOPS_PER_THREAD)))
    bounds = [batch * i // count for i in range(count + 1)]
    return [slice(start, stop) for start, stop in itertools.pairwise(bounds)]


def run_all(tasks: Sequence[Callable[[], int]]) -> list[int]:
    """Runs every task, the first on the calling thread, and returns their results in order."""
    if len(tasks) == 1:
        return [tasks[0]()]
    futures = [_executor().submit(task) for task in tasks[1:]]
    first = tasks[0]()
    return [first, *(future.result() for future in futures)]


def _executor() -> ThreadPoolExecutor:
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(max_workers=max(os.cpu_count() or 1, 8), thread_name_prefix="sofie_jit")
    return _pool


def _forget_pool() -> None:
    """A forked child has the pool's object but none of its threads."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
