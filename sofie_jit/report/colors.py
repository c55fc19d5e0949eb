"""Colors that tell categories apart, in drawings of networks and of profiles."""

from __future__ import annotations

from collections.abc import Iterable

GOLDEN_RATIO = 0.618034


def hues(names: Iterable[str]) -> dict[str, float]:
    """A hue (0 to 1) for each name; equal names have equal hues and different names different ones.

    Steps of the golden ratio keep the hues far apart however many there are.

    >>> hues(["Conv", "Relu", "Conv", "Gemm"])
    {'Conv': 0.6, 'Relu': 0.218, 'Gemm': 0.8361}
    """
    return {name: round((0.6 + i * GOLDEN_RATIO) % 1, 4) for i, name in enumerate(dict.fromkeys(names))}
