"""ScatterElements, ScatterND and GatherND: elements and slices at indices of several axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.errors import DtypeError, ShapeError
from sofie_jit.ir.dims import format_shape, normalize_axis, static_dim
from sofie_jit.ir.operators._indices import checked_indices
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rows import Rows, RowsMixedError, common_rows
from sofie_jit.ir.types import TensorType, common_dtype
from sofie_jit.records import dataclass

REDUCTIONS = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
"""Values of ``reduction`` other than "none"."""


def _check(operator: str, reduction: str, data: TensorType, indices: TensorType, updates: TensorType) -> None:
    if common_dtype(operator, data, updates) == "bool" and reduction != "none":
        raise DtypeError(f"{operator}: reduction={reduction!r} is not defined for bool")
    if not indices.dtype.startswith("int"):
        raise DtypeError(f"{operator} needs integer indices, got {indices}")
    if reduction not in ("none", *REDUCTIONS):
        raise ShapeError(f"{operator}: reduction must be one of none, {', '.join(REDUCTIONS)}, got {reduction!r}")


@dataclass(kw_only=True)
class ScatterElements(ROperator):
    """``data`` with ``Y[..., indices[..., p, ...], ...] = updates[..., p, ...]`` along ``axis``.

    ``indices`` and ``updates`` have the same shape, which is not larger than that of ``data`` in any axis but ``axis``.
    ``reduction`` combines an update with the element: "add", "mul", "max" or "min"; with "none" it replaces it. Updates
    of one element are applied in their order. Negative indices count from the end. An index out of range makes
    ``infer`` of the compiled model raise OutOfRangeError.

    >>> ScatterElements(axis=1).evaluate(np.zeros((1, 4)), np.array([[2, -1]]), np.array([[5.0, 6.0]]))
    array([[0., 0., 5., 6.]])
    """

    axis: int = 0
    reduction: str = "none"

    def infer(self, data: TensorType, indices: TensorType, updates: TensorType) -> TensorType:
        axis = normalize_axis("ScatterElements", self.axis, data.rank)
        _check("ScatterElements", self.reduction, data, indices, updates)
        rest = zip(data.shape, indices.shape, strict=False)
        larger = any(
            a != axis and isinstance(n, int) and isinstance(size, int) and size > n for a, (n, size) in enumerate(rest)
        )
        if indices.shape != updates.shape or indices.rank != data.rank or larger:
            shapes = ", ".join(format_shape(t.shape) for t in (data, indices, updates))
            raise ShapeError(
                f"ScatterElements: data, indices and updates of the shapes {shapes} do not fit each other: those of "
                f"indices and updates must be equal, and not larger than that of data in all axes but {axis}"
            )
        return data

    def evaluate(self, data: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
        places = checked_indices("ScatterElements", indices, data.shape[self.axis])
        at: list[np.ndarray] = list(np.indices(indices.shape, sparse=True))
        at[self.axis] = places
        y = data.copy()
        if self.reduction == "none":
            y[tuple(at)] = updates
        else:
            REDUCTIONS[self.reduction].at(y, tuple(at), updates)
        return y

    def mixes_places(self, axis: int, data: TensorType, indices: TensorType, updates: TensorType) -> bool:
        scattered = normalize_axis("ScatterElements", self.axis, data.rank)
        return axis == scattered or data.shape[axis] != indices.shape[axis]


@dataclass(kw_only=True)
class ScatterND(ROperator):
    """``data`` with ``Y[indices[p]] = updates[p]`` for all p, where the last axis of ``indices`` is an index tuple.

    An index tuple has one index for each of the first axes of ``data``; updates are slices along the other axes.
    Otherwise like ScatterElements.

    >>> ScatterND(reduction="add").evaluate(np.zeros(4), np.array([[1], [3], [1]]), np.array([5.0, 6.0, 7.0]))
    array([ 0., 12.,  0.,  6.])
    """

    reduction: str = "none"

    def infer(self, data: TensorType, indices: TensorType, updates: TensorType) -> TensorType:
        _check("ScatterND", self.reduction, data, indices, updates)
        depth = static_dim("ScatterND", indices.shape, -1)
        if depth > data.rank or updates.shape != (*indices.shape[:-1], *data.shape[depth:]):
            shapes = ", ".join(format_shape(t.shape) for t in (data, indices, updates))
            raise ShapeError(f"ScatterND: data, indices and updates of the shapes {shapes} do not fit each other")
        return data

    def evaluate(self, data: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
        at = tuple(checked_indices("ScatterND", indices[..., a], data.shape[a]) for a in range(indices.shape[-1]))
        y = data.copy()
        if self.reduction == "none":
            y[at] = updates
        else:
            REDUCTIONS[self.reduction].at(y, at, updates)
        return y

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        data, places, updates = rows
        if common_rows([places, updates]).axis is None and data.axis is None:
            return Rows()
        if data.axis != 0 or places.axis is None or not places.first or not places.first.points_into_rows(data.inner):
            raise RowsMixedError
        return data.plain()


@dataclass(kw_only=True)
class GatherND(ROperator):
    """``Y[p] = data[indices[p]]`` for all p, where the last axis of ``indices`` is an index tuple.

    An index tuple has one index for each of the axes of ``data`` after the first ``batch_dims``, which ``data`` and
    ``indices`` have in common. Negative indices count from the end. An index out of range makes ``infer`` of the
    compiled model raise OutOfRangeError.

    >>> GatherND().evaluate(np.array([[1, 2], [3, 4]]), np.array([[1, 0], [0, -1]]))
    array([3, 2])
    """

    batch_dims: int = 0

    def infer(self, data: TensorType, indices: TensorType) -> TensorType:
        depth = static_dim("GatherND", indices.shape, -1) if indices.rank else 0
        n = self.batch_dims
        if not 0 <= n < indices.rank or n + depth > data.rank or data.shape[:n] != indices.shape[:n]:
            raise ShapeError(
                f"GatherND: data {format_shape(data.shape)} and indices {format_shape(indices.shape)} do not fit each "
                f"other with batch_dims={n}"
            )
        if not indices.dtype.startswith("int"):
            raise DtypeError(f"GatherND needs integer indices, got {indices}")
        return TensorType(data.dtype, (*indices.shape[:-1], *data.shape[n + depth :]))

    def evaluate(self, data: np.ndarray, indices: np.ndarray) -> np.ndarray:
        n = self.batch_dims
        parts = [checked_indices("GatherND", indices[..., a], data.shape[n + a]) for a in range(indices.shape[-1])]
        rows = [
            np.arange(size).reshape([-1 if a == axis else 1 for a in range(indices.ndim - 1)])
            for axis, size in enumerate(data.shape[:n])
        ]
        return data[tuple(np.broadcast_arrays(*rows, *parts))] if rows or parts else np.broadcast_to(
            data, (*indices.shape[:-1], *data.shape)).copy()  # fmt: skip

    def rows(self, types: Sequence[TensorType | None], rows: Sequence[Rows]) -> Rows:
        data, places = rows
        if data.axis is None or data.axis < self.batch_dims:
            return common_rows(rows)
        if data.axis != 0 or places.axis is None or not places.first or not places.first.points_into_rows(data.inner):
            raise RowsMixedError
        return places.plain()
