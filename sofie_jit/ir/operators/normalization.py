"""Normalizations: by statistics known beforehand (BatchNormalization), of every row, or of every channel."""

from __future__ import annotations

from dataclasses import dataclass

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.operator import (
    Dim,
    Emitter,
    ROperator,
    TensorType,
    counts_rows,
    float_dtype,
    format_shape,
    literal,
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

    kernels = ("reduction/norm.hxx",)

    def infer(
        self, x: TensorType, scale: TensorType | None, b: TensorType | None, mean: TensorType, var: TensorType
    ) -> TensorType:
        channels = static_dim(self.op_type, x.shape, normalize_axis(self.op_type, self.axis, x.rank))
        return _infer(self, x, (channels,), scale, b, mean, var)

    def in_place(self, *inputs: TensorType | None) -> tuple[int, ...]:
        return (0,)

    def emit(self, code: Emitter) -> str:
        shape = code.outputs[0].shape
        axis = normalize_axis(self.op_type, self.axis, len(shape))
        channels = static_dim(self.op_type, shape, axis)
        self.check_constant(code, 1, 2, 3, 4)
        gamma, beta, mean, var = (code.raw(index) for index in range(1, 5))
        epsilon = literal(self.epsilon, "float64")
        scale = code.packed("pack_batch_norm_scale", gamma, var, channels, epsilon)
        shift = code.packed("pack_batch_norm_shift", gamma, beta, mean, var, channels, epsilon)
        return code.call(
            "batch_normalization", code.count(shape[:axis]), channels, code.count(shape[axis + 1 :]), code.input(0),
            scale, shift, code.output(0),
        )  # fmt: skip


@dataclass(kw_only=True)
class RowNormalization(ROperator):
    """Base of what normalizes over ``axis`` and all axes behind it, each such row by itself."""

    axis: int = -1

    kernels = ("reduction/norm.hxx",)

    def _split(self, shape: tuple[Dim, ...]) -> tuple[tuple[Dim, ...], tuple[int, ...]]:
        axis = normalize_axis(self.op_type, self.axis, len(shape))
        return shape[:axis], static_dims(self.op_type, shape[axis:])

    def _counts(self, code: Emitter) -> tuple[str, str]:
        rows, row = self._split(code.outputs[0].shape)
        return code.count(rows), code.count(row)

    def infer(self, x: TensorType, *parameters: TensorType | None) -> TensorType:
        return _infer(self, x, self._split(x.shape)[1], *parameters)

    def in_place(self, *inputs: TensorType | None) -> tuple[int, ...]:
        return (0,)

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

    def emit(self, code: Emitter) -> str:
        dtype = code.outputs[0].dtype
        return code.call(
            "layer_normalization", *self._counts(code), literal(self.epsilon, dtype),
            literal(self.stddev_epsilon, dtype), self.centered, code.input(0), code.input(1), code.input(2),
            code.output(0),
        )  # fmt: skip


@dataclass(kw_only=True)
class RMSNormalization(RowNormalization):
    """``X / sqrt(mean of X^2 + epsilon) * Scale``; inputs X and, if not omitted, Scale of the shape of a row."""

    epsilon: float = 1e-5

    def emit(self, code: Emitter) -> str:
        epsilon = literal(self.epsilon, code.outputs[0].dtype)
        return code.call(
            "rms_normalization", *self._counts(code), epsilon, code.input(0), code.input(1), code.output(0)
        )


@dataclass(kw_only=True)
class LpNormalization(RowNormalization):
    """``X * min(1 / sqrt(sum of X^2), limit)``."""

    limit: float = 1e12

    def emit(self, code: Emitter) -> str:
        limit = literal(self.limit, code.outputs[0].dtype)
        return code.call("lp_normalization", *self._counts(code), limit, code.input(0), code.output(0))


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

    kernels = ("reduction/norm.hxx",)

    def _groups(self, channels: int) -> int:
        if self.num_groups < 1 or channels % self.num_groups:
            raise ShapeError(f"{self.op_type}: {channels} channels do not divide into {self.num_groups} groups")
        return self.num_groups

    def infer(self, x: TensorType, scale: TensorType | None = None, b: TensorType | None = None) -> TensorType:
        if x.rank < 2:
            raise ShapeError(f"{self.op_type} needs a batch and channels, got {format_shape(x.shape)}")
        channels = static_dim(self.op_type, x.shape, 1 if self.layout == "NCHW" else x.rank - 1)
        self._groups(channels)
        return _infer(self, x, (channels,), scale, b)

    def emit(self, code: Emitter) -> str:
        y = code.outputs[0]
        channels = static_dim(self.op_type, y.shape, -1)
        groups = self._groups(channels)
        return code.call(
            "group_normalization", code.count(y.shape[:1]), code.count(y.shape[1:-1]), groups, channels // groups,
            literal(self.epsilon, y.dtype), literal(self.stddev_epsilon, y.dtype), code.input(0), code.input(1),
            code.input(2), code.output(0), code.scratch(y.dtype, (2, channels)),
        )  # fmt: skip


@dataclass(kw_only=True)
class InstanceNormalization(GroupNormalization):
    """GroupNormalization with every channel a group of its own."""

    num_groups: int = 0

    def _groups(self, channels: int) -> int:
        return channels
