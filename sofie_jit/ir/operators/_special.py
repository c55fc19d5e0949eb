"""Mathematical functions that numpy lacks, in the type of their argument and with the accuracy of the C library."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    """``1 / (1 + e^-x)``."""
    return 1 / (1 + np.exp(-x))


def softplus(x: np.ndarray) -> np.ndarray:
    """``log(1 + e^x)``."""
    return np.logaddexp(x, np.zeros((), x.dtype))


def bessel_i0(x: np.ndarray) -> np.ndarray:
    """The modified Bessel function of the first kind of order 0; infinite at infinity, where ``numpy.i0`` is NaN."""
    return np.where(np.isinf(x), np.inf, np.i0(x)).astype(x.dtype)


def _of_number(function: Callable[[float], float]) -> Callable[[np.ndarray], np.ndarray]:
    """A function of arrays from one of numbers."""
    each = np.frompyfunc(function, 1, 1)
    return lambda x: np.asarray(each(x), x.dtype)


def _normal(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def _erf_inverse(y: float) -> float:
    a = abs(y)
    if not a < 1:
        return math.copysign(math.inf, y) if a == 1 else math.nan
    # Winitzki's approximation, whose error is at most 2e-3, then Newton's method
    logarithm = math.log1p(-a * a)
    half = 2 / (math.pi * 0.147) + logarithm / 2
    x = math.sqrt(math.sqrt(half * half - logarithm / 0.147) - half)
    for _ in range(4):
        error = math.erf(x) - a if a < 0.5 else (1 - a) - math.erfc(x)  # the one without cancellation
        x -= error * math.sqrt(math.pi) / 2 * math.exp(x * x)
    return math.copysign(x, y)


erf = _of_number(math.erf)
"""The error function."""
erfc = _of_number(math.erfc)
"""``1 - erf(x)``, without cancellation."""
erf_inverse = _of_number(_erf_inverse)
"""The inverse of :func:`erf`; NaN outside of [-1, 1]."""
normal = _of_number(_normal)
"""The cumulative distribution function of the standard normal distribution."""
