"""Indices into an axis."""

from __future__ import annotations

import numpy as np

from sofie_jit.errors import OutOfRangeError


def checked_indices(operator: str, indices: np.ndarray, size: int) -> np.ndarray:
    """``indices`` into an axis of ``size`` as integers from 0 on. Raises OutOfRangeError."""
    whole = np.trunc(indices) if indices.dtype.kind == "f" else indices
    outside = ~((whole >= -size) & (whole < size))  # so that NaN is outside
    if outside.any():
        raise OutOfRangeError(f"{operator}: the index {indices[outside].flat[0]} lies outside an axis of {size}")
    places = whole.astype(np.int64)
    return np.where(places < 0, places + size, places)
