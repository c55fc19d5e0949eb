"""Colors that tell operators apart: in all drawings, an operator has the same color."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

GOLDEN_RATIO = 0.618034

COMMON = (
    "Conv", "Relu", "Gemm", "MatMul", "Add", "MaxPool", "BatchNormalization", "Softmax", "LSTM", "Sigmoid", "Mul",
    "Reshape", "Tanh", "GRU", "Concat", "Transpose", "AveragePool", "ReduceMean", "Dense", "DenseConv", "DirectConv",
    "DepthwiseConv", "WinogradConv", "DepthwiseChain", "LayerNormalization", "Gather", "Pad", "Slice", "Sub", "Div",
)  # fmt: skip
"""Frequent operators, whose hues are far apart: neighbors in this list differ by the golden ratio."""


def hue(name: str) -> float:
    """The hue (0 to 1) of an operator.

    >>> hue("Conv"), hue("Relu")
    (0.6, 0.218)
    """
    step = COMMON.index(name) * GOLDEN_RATIO if name in COMMON else zlib.crc32(name.encode()) / 2**32
    return round((0.6 + step) % 1, 4)


def hues(names: Iterable[str]) -> dict[str, float]:
    """The :func:`hue` of each operator.

    >>> hues(["Relu", "Conv", "Relu"])
    {'Relu': 0.218, 'Conv': 0.6}
    """
    return {name: hue(name) for name in names}
