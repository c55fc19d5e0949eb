"""The difference of one array from the original's, and the time of one call: the parts of a comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-6
"""Maximum difference of two outputs that count as the same, relative to the output's largest magnitude."""
ROUNDING = 2
"""An output that differs by more is as good as the original's if its distance from a float64 evaluation is at most
ROUNDING times the original's distance."""

MOST_ROUNDING = 1e-3
"""Difference from which on an original that is farther from float64 is said to compute something else: ONNX Runtime
differs from ONNX's definition in some cases."""


@dataclass(frozen=True)
class Difference:
    """The difference of two arrays that should be equal: an output's, or a layer's."""

    name: str
    shape: tuple[int, ...]
    absolute: float
    """The largest difference; infinite if shapes differ, or if NaN or infinity are at different indices."""
    relative: float
    """The largest difference divided by :attr:`scale`."""
    scale: float
    """The largest magnitude of the original's array."""
    from_exact: float | None = None
    """Distance of this package's array from a float64 evaluation, divided by the scale; None if that was not needed or
    is not possible."""
    original_from_exact: float | None = None
    """The same distance of the original's array."""
    unchecked: str = ""
    """The reason why a float64 evaluation was needed and is not possible; '' if there is none."""

    @property
    def ok(self) -> bool:
        """Whether the array is as accurate as the original's.

        That is so if it differs by at most 1e-6 of the scale, or if its distance from a float64 evaluation is at most
        twice the original's.
        """
        if self.relative <= TOLERANCE:
            return True
        if self.from_exact is None or self.original_from_exact is None:
            return False
        return self.from_exact <= max(ROUNDING * self.original_from_exact, TOLERANCE)

    @property
    def verdict(self) -> str:
        """:attr:`ok` in words: ``same``, ``rounding``, ``agrees`` or ``differs``, with the distances from float64."""
        if self.relative <= TOLERANCE:
            return "same"
        if self.from_exact is None:
            return "differs"
        word = ("agrees" if self.relative > MOST_ROUNDING else "rounding") if self.ok else "differs"
        return f"{word}: {self.from_exact:.0e} from float64, the original {self.original_from_exact:.0e}"


@dataclass(frozen=True)
class Time:
    """The duration of one call, from numpy arrays to numpy arrays."""

    engine: str
    """``sofie_jit``, or a way to run the original, such as ``model(x)``, ``predict`` or ``tf.function``."""
    batch: int
    seconds: float
    """The median of many calls; the engines take turns."""


def distance(got: np.ndarray, want: np.ndarray, scale: float | None = None) -> float:
    """The largest difference divided by ``scale``, by default the largest magnitude of ``want``.

    Infinite if shapes differ, or if NaN or infinity are at different indices.

    >>> distance(np.array([1.0, 2.5]), np.array([1.0, 2.0]))
    0.25
    """
    if got.shape != want.shape:
        return float("inf")
    got, want = got.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True) or not np.isfinite(got[finite]).all():
        return float("inf")
    got, want = got[finite], want[finite]
    if not want.size:
        return 0.0
    scale = float(np.abs(want).max()) if scale is None else scale
    worst = float(np.abs(got - want).max())
    return worst / scale if scale > 0 else (0.0 if worst <= TOLERANCE else worst)
