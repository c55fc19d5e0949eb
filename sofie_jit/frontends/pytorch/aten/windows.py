"""Windows of signals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.types import check_table


def _window(call: AtenCall, length: int, periodic: bool, dtype: Any, shape: Callable[[int], np.ndarray]) -> Symbol:
    """A symmetric window; a periodic one is that of one more element without the last."""
    check_table("window", length)
    values = shape(length + 1)[:length] if periodic and length > 1 else shape(length)
    return call.symbol(values.astype(dtype or "float32"), "window")


def _cosines(*coefficients: float) -> Callable[[int], np.ndarray]:
    """A window that is a sum of cosines."""

    def shape(length: int) -> np.ndarray:
        angle = 2 * np.pi * np.arange(length) / max(length - 1, 1)
        terms = [(-1) ** number * factor * np.cos(number * angle) for number, factor in enumerate(coefficients)]
        return np.ones(1) if length == 1 else np.sum(terms, axis=0)

    return shape


def _of_name(name: str, shape: Callable[[int], np.ndarray]) -> None:
    @aten(name)
    def window(call: AtenCall, window_length: int, dtype: Any, periodic: bool = True) -> Symbol:
        return _window(call, window_length, periodic, dtype, shape)


_of_name("hann_window", _cosines(0.5, 0.5))
_of_name("blackman_window", _cosines(0.42, 0.5, 0.08))
_of_name("bartlett_window", np.bartlett)


@aten("hamming_window")
def hamming_window(
    call: AtenCall, window_length: int, dtype: Any, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46
) -> Symbol:
    """``alpha - beta cos(...)``."""
    return _window(call, window_length, periodic, dtype, _cosines(alpha, beta))


@aten("kaiser_window")
def kaiser_window(call: AtenCall, window_length: int, dtype: Any, periodic: bool = True, beta: float = 12.0) -> Symbol:
    """Kaiser's window."""
    return _window(call, window_length, periodic, dtype, lambda length: np.kaiser(length, beta))
