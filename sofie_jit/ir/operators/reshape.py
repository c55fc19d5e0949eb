"""Reshape: the same elements under another shape, at no cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import Dim, Shape, SymbolicDim, as_shape, bind_shape, format_shape, product
from sofie_jit.ir.operators.operator import ROperator, evaluated_shape
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.rows import Rows, reshaped_rows
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

    def spell_out(self, outputs: Sequence[TensorType]) -> None:
        self.shape, self.allowzero = outputs[0].shape, True

    def infer(self, x: TensorType) -> TensorType:
        shape = as_shape(self.shape)
        text = f"Reshape of {format_shape(x.shape)} to {format_shape(shape)}"
        copied = [axis for axis, size in enumerate(shape) if size == 0 and not self.allowzero]
        if copied and copied[-1] >= x.rank:
            raise ShapeError(f"{text}: there is no axis {copied[-1]} to copy")
        target = [x.shape[axis] if axis in copied else size for axis, size in enumerate(shape)]
        unknown = [axis for axis, size in enumerate(target) if size == -1]
        if len(unknown) > 1 or any(isinstance(size, int) and size < -1 for size in target):
            raise ShapeError(f"{text}: at most one size may be -1, none smaller")
        if unknown:
            total = [size for axis, size in enumerate(x.shape) if axis not in copied]
            known = [size for axis, size in enumerate(target) if axis not in [*copied, *unknown]]
            target[unknown[0]] = _remaining(text, tuple(total), tuple(known))
        before, after = _counts(x.shape, tuple(target))
        if Requirement(after, "==", before).holds is False:
            raise ShapeError(f"{text}: the numbers of elements differ, {product(*x.shape)} and {product(*target)}")
        return TensorType(x.dtype, tuple(target))

    def requirements(self, x: TensorType) -> list[Requirement]:
        before, after = _counts(x.shape, self.infer(x).shape)
        return [Requirement(after, "==", before)]

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(evaluated_shape(self, x))

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        (x,) = types
        assert x is not None
        return reshaped_rows(rows[0], x.shape, self.infer(x).shape)


def _counts(*shapes: Shape) -> tuple[Dim, ...]:
    """The numbers of elements of two shapes without the open sizes that both have, such as that of the batch.

    These may be 0, for which every number of elements would be equal, and no quotient would exist.
    """
    first, second = (Counter(dim for dim in shape if isinstance(dim, SymbolicDim)) for shape in shapes)
    return tuple(product(*_without(first & second, shape)) for shape in shapes)


def _without(removed: Counter[SymbolicDim], shape: Shape) -> Shape:
    """``shape`` without some of its sizes."""
    left = Counter(shape)
    left.subtract(removed)
    return tuple(left.elements())


def _remaining(text: str, shape: Shape, known: Shape) -> Dim:
    """The size with which ``known`` has as many elements as ``shape``. Raises ShapeError."""
    total, part = _counts(shape, known)
    size = total // part if part != 0 else 0
    if part == 0 or Requirement(size * part, "==", total).holds is False:
        raise ShapeError(f"{text}: {part} elements do not divide {total} into one known size")
    return size
