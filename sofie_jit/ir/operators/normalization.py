"""Normalizations: by statistics known beforehand (BatchNormalization), of every row, or of every channel."""

from __future__ import annotations

from dataclasses import dataclass

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.operator import (
    Dim,
    ROperator,
    TensorType,
    counts_rows,
    float_dtype,
    format_shape,
    normalize_axis,
    static_dim,
    static_dims,
)


def _infer(operator: ROperator, x: TensorType, shape: tuple[Dim, ...], *parameters: TensorType | None) -> TensorType:
    """``x``, once it is clear that it is floating and that the parameters have ``shape``."""
    float_dtype(operator.op_type, x, *parameters)
    for parameter in parameters:
        if parameter is not None and parameter.shape != shape:
            raise ShapeError(
                f"{operator.op_type} of {format_shape(x.shape)} needs parameters of shape {format_shape(shape)}, "
                f"got {format_shape(parameter.shape)}"
            )
    return x


@dataclass(kw_only=True)
class BatchNormalization(ROperator):
    """``(X - mean) / sqrt(var + epsilon) * scale + B`` per channel, channels being along ``axis``.

    Inputs X, scale, B, mean, var; scale and B may be omitted, all four are constant.
    """

    epsilon: float = 1e-5
    axis: int = 1

    def infer(
        self, x: TensorType, scale: TensorType | None, b: TensorType | None, mean: TensorType, var: TensorType
    ) -> TensorType:
        channels = static_dim(self.op_type, x.shape, normalize_axis(self.op_type, self.axis, x.rank))
        return _infer(self, x, (channels,), scale, b, mean, var)


@dataclass(kw_only=True)
class RowNormalization(ROperator):
    """Base of what normalizes over ``axis`` and all axes behind it, each such row by itself."""

    axis: int = -1

    def split(self, shape: tuple[Dim, ...]) -> tuple[tuple[Dim, ...], tuple[int, ...]]:
        """The axes that count rows, and those of a row."""
        axis = normalize_axis(self.op_type, self.axis, len(shape))
        return shape[:axis], static_dims(self.op_type, shape[axis:])

    def infer(self, x: TensorType, *parameters: TensorType | None) -> TensorType:
        return _infer(self, x, self.split(x.shape)[1], *parameters)

    def mixes_rows(self, x: TensorType, *parameters: TensorType | None) -> bool:
        return any(map(counts_rows, x.shape[normalize_axis(self.op_type, self.axis, x.rank) :]))


@dataclass(kw_only=True)
class LayerNormalization(RowNormalization):
    """``(X - mean) / (sqrt(variance + epsilon) + stddev_epsilon) * Scale + B``, the statistics those of the row.

    Inputs X and, either may be omitted, Scale and B of the shape of a row. Without ``centered`` the mean is not taken
    away from X (what Keras calls rms_scaling). ``stddev_epsilon`` is 0 in all but old extensions of Keras.
    """

    epsilon: float = 1e-5
    stddev_epsilon: float = 0.0
    centered: bool = True


@dataclass(kw_only=True)
class RMSNormalization(RowNormalization):
    """``X / sqrt(mean of X^2 + epsilon) * Scale``; inputs X and, if not omitted, Scale of the shape of a row."""

    epsilon: float = 1e-5


@dataclass(kw_only=True)
class LpNormalization(RowNormalization):
    """``X * min(1 / sqrt(sum of X^2), limit)``."""

    limit: float = 1e12


@dataclass(kw_only=True)
class GroupNormalization(ROperator):
    """``(X - mean) / (sqrt(variance + epsilon) + stddev_epsilon) * Scale + B`` over space and a group of channels.

    X is (N, C, space), or (N, space, C) with ``layout="NHWC"``; ``num_groups`` neighbouring groups of channels share
    statistics. Scale and B have a number per channel; either may be omitted.
    """

    num_groups: int
    epsilon: float = 1e-5
    stddev_epsilon: float = 0.0
    layout: str = "NCHW"

    def groups(self, channels: int) -> int:
        """The number of groups that ``channels`` divide into. Raises ShapeError if they do not."""
        if self.num_groups < 1 or channels % self.num_groups:
            raise ShapeError(f"{self.op_type}: {channels} channels do not divide into {self.num_groups} groups")
        return self.num_groups

    def infer(self, x: TensorType, scale: TensorType | None = None, b: TensorType | None = None) -> TensorType:
        if x.rank < 2:
            raise ShapeError(f"{self.op_type} needs a batch and channels, got {format_shape(x.shape)}")
        channels = static_dim(self.op_type, x.shape, 1 if self.layout == "NCHW" else x.rank - 1)
        self.groups(channels)
        return _infer(self, x, (channels,), scale, b)


@dataclass(kw_only=True)
class InstanceNormalization(GroupNormalization):
    """GroupNormalization with every channel a group of its own."""

    num_groups: int = 0

    def groups(self, channels: int) -> int:
        return channels
