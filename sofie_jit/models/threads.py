"""How many threads share a call; ``runtime/thread_pool.hxx`` has the threads themselves."""

from __future__ import annotations

import os

from sofie_jit.errors import OptionError

FLOPS_PER_THREAD = 4e6
"""Work below which another thread does not pay: some 40 us of a core; waking one that sleeps costs 5 to 10."""
VARIABLES = ("SOFIE_JIT_NUM_THREADS", "OMP_NUM_THREADS")


def thread_count(threads: int | None) -> int:
    """``threads`` if given, else what the environment says, else the cores this process may use.

    Raises OptionError for a count that is no positive number.
    """
    sources = [("threads", threads), *((name, os.environ.get(name, "").split(",")[0] or None) for name in VARIABLES)]
    for name, value in sources:
        if value is not None:
            try:
                count = int(value)
            except (TypeError, ValueError):
                count = 0
            if count < 1:
                raise OptionError(f"{name} must be a positive number of threads, got {value!r}")
            return count
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def useful_threads(threads: int, flops: float) -> int:
    """How many of ``threads`` a call of so many operations keeps busy; at least 1."""
    return max(1, min(threads, int(flops / FLOPS_PER_THREAD)))
