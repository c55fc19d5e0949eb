"""Sorted numbers, and places among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.builder import Symbol
from sofie_jit.errors import ShapeError
from sofie_jit.operators import math as functions
from sofie_jit.ops.core import Value, apply, cast, floating, promote


def top_k(x: Symbol, k: int, sorted: bool = True) -> tuple[Symbol, Symbol]:
    """The ``k`` largest numbers along the last axis and where they are."""
    if not sorted:
        raise ShapeError("top_k with sorted=False leaves the order to the hardware; it is translated with sorted=True")
    values, indices = x.builder.add(functions.TopK(k=k), x)
    return values, indices


def searchsorted(sorted_sequence: Value, values: Symbol, side: str = "left") -> Symbol:
    """How many of ``sorted_sequence`` come before each of ``values``; with side "right" those equal to it do."""
    if side not in ("left", "right"):
        raise ShapeError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    ascending, x = promote(sorted_sequence, values)
    return apply(functions.SearchSorted(right=side == "right"), x, ascending)


def digitize(x: Symbol, bins: Sequence[float]) -> Symbol:
    """Which of the intervals between the ascending ``bins`` each number lies in; each begins with its lower bound."""
    bounds = np.asarray(bins, np.float32)  # as TensorFlow keeps them
    return searchsorted(bounds, cast(x, floating(x)), side="right")
