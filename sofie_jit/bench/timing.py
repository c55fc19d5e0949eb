"""How long a call takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any


def seconds_per_call(call: Callable[[], Any], *, budget: float = 0.3, samples: int = 9) -> float:
    """Median time of one ``call()``, in seconds, over ``samples`` measurements that take some ``budget`` seconds.

    Short calls are repeated within each measurement until the clock's own cost no longer matters. The first call,
    which may compile or allocate, is not counted.
    """
    call()
    number = 1
    while (taken := _seconds(call, number)) < budget / samples and number < 1_000_000:
        number = max(2 * number, min(1000 * number, int(number * budget / samples / max(taken, 1e-9))))
    return statistics.median(_seconds(call, number) for _ in range(samples)) / number


def _seconds(call: Callable[[], Any], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        call()
    return time.perf_counter() - start
