"""Measures the duration of calls."""

from __future__ import annotations

import functools
import itertools
import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

Name = TypeVar("Name", bound=Hashable)

Sample = Callable[[int], float]
"""Makes a given number of calls and returns the seconds that they took together."""


def seconds_per_call(call: Callable[[], Any], *, budget: float = 0.3, samples: int = 9) -> float:
    """Median time of one ``call()`` in seconds, over ``samples`` measurements that take about ``budget`` seconds.

    Short calls are repeated within each measurement until the cost of reading the clock is negligible. The first call,
    which may compile or allocate, is not counted.

    >>> 0 < seconds_per_call(lambda: sum(range(10)), budget=0.01) < 1e-3
    True
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


def sample_of(call: Any, *arguments: Any) -> Sample:
    """Measures ``call(*arguments)``, with the call's own clock if it has one (``call.seconds(number, *arguments)``)."""
    own = getattr(call, "seconds", None)
    if own is not None:
        return lambda number: float(own(number, *arguments))
    return lambda number: _seconds(functools.partial(call, *arguments), number)


def round_robin(
    samples: Mapping[Name, Sample],
    *,
    rounds: int = 10,
    block: float = 0.03,
    shortest: float = 2e-4,
    slow: float = math.inf,
) -> dict[Name, list[float]]:
    """Seconds per call of each of ``samples``, measured in turns, so that a disturbance of the machine affects all.

    In each of ``rounds`` rounds, each sample has a block of at least two measurements that takes about ``block``
    seconds. The first measurement of a block is discarded, because the others have used the caches in between. A
    measurement makes as many calls as take ``shortest`` seconds. Each round starts with another sample. Samples that
    take more than ``slow`` times as long as the fastest have a turn in every fifth round only.
    """
    found = {name: _calls_for(sample, shortest) for name, sample in samples.items()}
    numbers = {name: number for name, (number, _) in found.items()}
    limit = slow * min((seconds for _, seconds in found.values()), default=0.0)
    rare = {name for name, (_, seconds) in found.items() if seconds > limit}
    measured: dict[Name, list[float]] = {name: [] for name in samples}
    order = deque(samples)
    for turn in range(rounds):
        for name in order:
            if turn % 5 and name in rare:
                continue
            number, sample = numbers[name], samples[name]
            sample(number)
            spent = 0.0
            for count in itertools.count(1):
                seconds = sample(number)
                measured[name].append(seconds / number)
                spent += seconds
                if count >= 2 and spent >= block:
                    break
        order.rotate(-1)
    return measured


def _calls_for(sample: Sample, seconds: float) -> tuple[int, float]:
    """The number of calls that take ``seconds`` together, and the duration of one."""
    sample(1)
    number = 1
    while (taken := sample(number)) < seconds:
        number = max(number + 1, min(10 * number, int(1.2 * number * seconds / max(taken, 1e-9))))
    return number, taken / number
