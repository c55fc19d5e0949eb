"""Sizes and Iota: integers that are known when the model runs, from the sizes of its inputs; no inputs of their own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sofie_jit.ir.dims import Dim, Shape, bind_shape, counts_rows, static_dims
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class Sizes(ROperator):
    """A vector of int64 with these values, which may be expressions over run-time dimensions. Not in ONNX.

    It is the result of ONNX's Shape and of arithmetic with it, where a model computes with sizes.

    >>> Sizes(values=(3, 4)).evaluate()
    array([3, 4])
    """

    values: Shape

    def bind(self, sizes: Mapping[str, int]) -> None:
        self.values = bind_shape(self.values, sizes)

    def infer(self) -> TensorType:
        return TensorType("int64", (len(self.values),))

    def evaluate(self) -> np.ndarray:
        return np.array(self.values, np.int64)

    def mixes_rows(self) -> bool:
        return any(map(counts_rows, self.values))


@dataclass(kw_only=True)
class Iota(ROperator):
    """The vector of the ``size`` integers ``start``, ``start + step``, ...: ONNX's Range of sizes, as int64.

    >>> Iota(size=3, start=1, step=2).evaluate()
    array([1, 3, 5])
    """

    size: Dim
    start: Dim = 0
    step: Dim = 1

    def bind(self, sizes: Mapping[str, int]) -> None:
        self.size, self.start, self.step = bind_shape((self.size, self.start, self.step), sizes)

    def infer(self) -> TensorType:
        return TensorType("int64", (self.size,))

    def evaluate(self) -> np.ndarray:
        size, start, step = static_dims("Iota", (self.size, self.start, self.step), "attributes")
        return start + step * np.arange(size, dtype=np.int64)

    def mixes_rows(self) -> bool:
        return any(map(counts_rows, (self.size, self.start, self.step)))
