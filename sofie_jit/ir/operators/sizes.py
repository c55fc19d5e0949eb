"""Sizes and Iota: integers that are known when the model runs, from the sizes of its inputs; no inputs of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sofie_jit.ir.dims import BATCH, Dim, Shape, bind_shape, counts_rows, is_at_least, static_dims
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rows import Interval, Rows, RowsMixedError
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

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        if any(map(counts_rows, self.values)):
            raise RowsMixedError
        return Rows(integers=Interval(*self.values, *self.values) if len(self.values) == 1 else None)


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

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        counting = counts_rows(self.size)
        if any(map(counts_rows, (self.start, self.step))):
            raise RowsMixedError
        places = self.size // BATCH if counting else self.size
        integers = None
        if is_at_least(self.step, 0):
            last = self.start + self.step * (places - 1)
            integers = Interval(self.start, last, self.step * places if counting else 0)
        return Rows(0 if counting else None, places if counting else 1, integers)
