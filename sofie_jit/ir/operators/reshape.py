"""Reshape: the same elements under another shape, at no cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import Dim, Shape, SymbolicDim, as_shape, bind_shape, counts_rows, format_shape, product
from sofie_jit.ir.operators.operator import ROperator, evaluated_shape
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class Reshape(ROperator):
    """The elements of the input, in their order, under ``shape``; any type.

    One -1 in ``shape`` stands for the remaining elements. 0 stands for the input's size of that axis, unless
    ``allowzero`` is set. A name is a run-time dimension.

    >>> Reshape(shape=(0, -1)).evaluate(np.zeros((2, 3, 4))).shape
    (2, 12)
    """

    shape: Shape
    allowzero: bool = False

    is_alias = True

    def bind(self, sizes: Mapping[str, int]) -> None:
        self.shape = bind_shape(self.shape, sizes)

    def infer(self, x: TensorType) -> TensorType:
        shape = as_shape(self.shape)
        text = f"Reshape of {format_shape(x.shape)} to {format_shape(shape)}"
        target: list[Dim] = []
        for axis, size in enumerate(shape):
            copied = size == 0 and not self.allowzero
            if copied and axis >= x.rank:
                raise ShapeError(f"{text}: there is no axis {axis} to copy")
            target.append(x.shape[axis] if copied else size)
        unknown = [axis for axis, size in enumerate(target) if size == -1]
        if len(unknown) > 1 or any(isinstance(size, int) and size < -1 for size in target):
            raise ShapeError(f"{text}: at most one size may be -1, none smaller")
        if unknown:
            target[unknown[0]] = _remaining(text, x.shape, tuple(d for d in target if d != -1))
        if Requirement(product(*target), "==", product(*x.shape)).holds is False:
            raise ShapeError(f"{text}: the numbers of elements differ, {product(*x.shape)} and {product(*target)}")
        return TensorType(x.dtype, tuple(target))

    def requirements(self, x: TensorType) -> list[Requirement]:
        shapes = x.shape, self.infer(x).shape
        before, after = (Counter(dim for dim in shape if isinstance(dim, SymbolicDim)) for shape in shapes)
        both = before & after  # sizes that stay, such as that of the batch
        left, right = (product(*shape) for shape in _without(both, *shapes))
        return [Requirement(right, "==", left)]

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(evaluated_shape(self, x))

    def mixes_rows(self, x: TensorType) -> bool:
        return any(map(counts_rows, x.shape)) and not any(map(counts_rows, self.infer(x).shape[:1]))


def _without(removed: Counter[SymbolicDim], *shapes: Shape) -> Iterator[Shape]:
    """Each shape without some of its sizes."""
    for shape in shapes:
        left = Counter(shape)
        left.subtract(removed)
        yield tuple(left.elements())


def _remaining(text: str, shape: Shape, known: Shape) -> Dim:
    """The size with which ``known`` has as many elements as ``shape``. Raises ShapeError."""
    total, part = product(*shape), product(*known)
    size = total // part if part != 0 else 0
    if part == 0 or Requirement(size * part, "==", total).holds is False:
        raise ShapeError(f"{text}: {part} elements do not divide {total} into one known size")
    return size
