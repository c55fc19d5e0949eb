"""The number of threads that share a call. ``runtime/thread_pool.hxx`` has the threads themselves."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from typing import Any

from sofie_jit.errors import OptionError
from sofie_jit.jit.cgroups import cpu_quota

FLOPS_PER_THREAD = 4e6
"""Work below which another thread does not pay: about 40 us of a core. Waking a sleeping thread costs 5 to 10 us."""
VARIABLES = ("SOFIE_JIT_NUM_THREADS", "OMP_NUM_THREADS")
"""Environment variables for the number of threads; the first one that is set counts."""


def thread_count(threads: int | None) -> int:
    """The number of threads to use: ``threads``, or else the environment's, or else :func:`available_cores`.

    Raises OptionError if a number of threads is not a positive integer.

    >>> thread_count(3)
    3
    """
    if threads is not None:
        return _positive("threads", threads, operator.index)
    for name in VARIABLES:
        if text := os.environ.get(name, "").split(",")[0]:
            return _positive(name, text, int)
    return available_cores()


def _positive(name: str, value: Any, integer: Callable[[Any], int]) -> int:
    try:
        count = integer(value)
    except (TypeError, ValueError):
        count = 0
    if count < 1:
        raise OptionError(f"{name} must be a positive number of threads, got {value!r}")
    return count


def available_cores() -> int:
    """The number of cores that this process may use: its affinity, and the CPU quota of its container.

    A quota of two and a half cores counts as two, since a third thread would use it up before the end of each period,
    and all threads would then wait.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, int(quota)))


def useful_threads(threads: int, flops: float) -> int:
    """The number of threads, from 1 to ``threads``, that a call of ``flops`` floating-point operations keeps busy."""
    return max(1, min(threads, int(flops / FLOPS_PER_THREAD)))
