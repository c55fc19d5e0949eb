"""The arrays of weights on their way from a file to a network.

A :class:`Watcher` sees each of them: the cache of compiled models learns in this way how weights are computed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Watcher = Callable[[np.ndarray], np.ndarray]
"""Returns an array with the same type, shape and values, which may be of a subclass of ``numpy.ndarray``."""

_watchers: list[Watcher] = []


def as_weight(values: Any, dtype: Any = None) -> np.ndarray:
    """``values`` as an array, of ``dtype`` if it is given; not copied if it is one already.

    >>> as_weight([1, 2], "float32")
    array([1., 2.], dtype=float32)
    """
    if not _watchers:
        return np.asarray(values, dtype)
    array = _watchers[-1](values if isinstance(values, np.ndarray) else np.asarray(values))
    return array if dtype is None else array.astype(dtype, copy=False)


@contextlib.contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Shows ``watcher`` all weights that pass :func:`as_weight` inside."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.pop()
