"""Normalization by known statistics (BatchNormalization), or by those of each row or each group of channels."""

from __future__ import annotations

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import Dim, format_shape, normalize_axis, static_dim, static_dims
from sofie_jit.ir.operators.layout import channels_last, check_layout, in_layout
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType, float_dtype
from sofie_jit.records import dataclass


def _infer(operator: ROperator, x: TensorType, shape: tuple[Dim, ...], *parameters: TensorType | None) -> TensorType:
    """``x``. Raises DtypeError if it is not floating-point, ShapeError if a parameter has another shape."""
    float_dtype(operator.op_type, x, *parameters)
    for parameter in parameters:
        if parameter is not None and parameter.shape != shape:
            raise ShapeError(
                f"{operator.op_type} of {format_shape(x.shape)} needs parameters of shape {format_shape(shape)}, "
                f"got {format_shape(parameter.shape)}"
            )
    return x


def _scaled(x: np.ndarray, scale: np.ndarray | None, bias: np.ndarray | None) -> np.ndarray:
    if scale is not None:
        x = x * scale
    return x if bias is None else x + bias


def _standardized(x: np.ndarray, axes: tuple[int, ...], epsilon: float, stddev_epsilon: float) -> np.ndarray:
    """``x`` minus its mean along ``axes``, divided by its standard deviation."""
    deviation = np.sqrt(x.var(axes, keepdims=True) + epsilon) + stddev_epsilon
    return (x - x.mean(axes, keepdims=True)) / deviation


@dataclass(kw_only=True)
class BatchNormalization(ROperator):
    """``(X - mean) / sqrt(var + epsilon) * scale + B`` for each channel, with the channels along ``axis``.

    Inputs: X, scale, B, mean, var; scale and B may be omitted, and all four are constant, of shape (channels,).
    ``axis`` is an extension of ONNX.

    >>> mean, var = np.array([1.0]), np.array([4.0])
    >>> BatchNormalization(epsilon=0.0).evaluate(np.array([[5.0], [1.0]]), None, None, mean, var)
    array([[2.],
           [0.]])
    """

    epsilon: float = 1e-5
    axis: int = 1

    def infer(
        self, x: TensorType, scale: TensorType | None, b: TensorType | None, mean: TensorType, var: TensorType
    ) -> TensorType:
        channels = static_dim(self.op_type, x.shape, normalize_axis(self.op_type, self.axis, x.rank))
        return _infer(self, x, (channels,), scale, b, mean, var)

    def evaluate(
        self, x: np.ndarray, scale: np.ndarray | None, b: np.ndarray | None, mean: np.ndarray, var: np.ndarray
    ) -> np.ndarray:
        rows = np.moveaxis(x, self.axis, -1)
        return np.moveaxis(_scaled((rows - mean) / np.sqrt(var + self.epsilon), scale, b), -1, self.axis)

    def mixes_places(self, axis: int, x: TensorType, *parameters: TensorType | None) -> bool:
        return axis == normalize_axis(self.op_type, self.axis, x.rank)


# -- of each row -----------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class RowNormalization(ROperator):
    """Base of operators that normalize each row, which is the part along ``axis`` and all axes after it."""

    axis: int = -1

    def split(self, shape: tuple[Dim, ...]) -> tuple[tuple[Dim, ...], tuple[int, ...]]:
        """The axes that count rows, and those of a row."""
        axis = normalize_axis(self.op_type, self.axis, len(shape))
        return shape[:axis], static_dims(self.op_type, shape[axis:])

    def infer(self, x: TensorType, *parameters: TensorType | None) -> TensorType:
        return _infer(self, x, self.split(x.shape)[1], *parameters)

    def mixes_places(self, axis: int, x: TensorType, *parameters: TensorType | None) -> bool:
        return axis >= normalize_axis(self.op_type, self.axis, x.rank)

    def _axes(self, x: np.ndarray) -> tuple[int, ...]:
        """The axes of a row."""
        return tuple(range(normalize_axis(self.op_type, self.axis, x.ndim), x.ndim))


@dataclass(kw_only=True)
class LayerNormalization(RowNormalization):
    """``(X - mean) / (sqrt(variance + epsilon) + stddev_epsilon) * Scale + B`` with the statistics of each row.

    Inputs: X and, both optional, Scale and B, of the shape of a row. Extensions of ONNX: if not ``centered``, the mean
    is not subtracted from X (Keras's old option rms_scaling); ``stddev_epsilon``, which old extensions of Keras have.

    >>> LayerNormalization(epsilon=0.0).evaluate(np.array([[1.0, 3.0]]))
    array([[-1.,  1.]])
    """

    epsilon: float = 1e-5
    stddev_epsilon: float = 0.0
    centered: bool = True

    def evaluate(self, x: np.ndarray, scale: np.ndarray | None = None, b: np.ndarray | None = None) -> np.ndarray:
        axes = self._axes(x)
        if self.centered:
            return _scaled(_standardized(x, axes, self.epsilon, self.stddev_epsilon), scale, b)
        deviation = np.sqrt(x.var(axes, keepdims=True) + self.epsilon) + self.stddev_epsilon
        return _scaled(x / deviation, scale, b)


@dataclass(kw_only=True)
class RMSNormalization(RowNormalization):
    """``X / sqrt(mean of X^2 + epsilon) * scale`` with the mean of each row.

    Inputs: X and, optionally, scale, of the shape of a row.

    >>> RMSNormalization(epsilon=0.0).evaluate(np.array([[1.0, 7.0]]))
    array([[0.2, 1.4]])
    """

    epsilon: float = 1e-5

    def evaluate(self, x: np.ndarray, scale: np.ndarray | None = None) -> np.ndarray:
        square = np.square(x).mean(self._axes(x), keepdims=True)
        return _scaled(x / np.sqrt(square + self.epsilon), scale, None)


@dataclass(kw_only=True)
class LpNormalization(ROperator):
    """``X / norm`` with the norm of order ``p``, 1 or 2, along ``axis``; 0 where the norm is 0.

    ``limit``, an extension of ONNX, is a maximum of ``1 / norm``.

    >>> LpNormalization().evaluate(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """

    axis: int = -1
    p: int = 2
    limit: float | None = None

    def infer(self, x: TensorType) -> TensorType:
        float_dtype(self.op_type, x)
        if self.p not in (1, 2):
            raise ShapeError(f"LpNormalization: p must be 1 or 2, got {self.p}")
        static_dim(self.op_type, x.shape, normalize_axis(self.op_type, self.axis, x.rank))
        return x

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        powers = np.abs(x) if self.p == 1 else np.square(x)
        norm = powers.sum(self.axis, keepdims=True)
        norm = norm if self.p == 1 else np.sqrt(norm)
        if self.limit is not None:
            return x * np.minimum(1 / norm, self.limit)
        return np.divide(x, norm, out=np.zeros_like(x), where=norm != 0)

    def mixes_places(self, axis: int, x: TensorType) -> bool:
        return axis == normalize_axis(self.op_type, self.axis, x.rank)


# -- of each group of channels ---------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class InstanceNormalization(ROperator):
    """``(X - mean) / (sqrt(variance + epsilon) + stddev_epsilon) * scale + B`` with the statistics of each channel.

    Inputs: X (N, C, spatial axes), or (N, spatial axes, C) with ``layout="NHWC"``; scale and B (C,), both optional.
    ``layout`` and ``stddev_epsilon`` are extensions of ONNX.

    >>> InstanceNormalization(epsilon=0.0).evaluate(np.array([[[1.0, 3.0], [0.0, 8.0]]]))
    array([[[-1.,  1.],
            [-1.,  1.]]])
    """

    epsilon: float = 1e-5
    stddev_epsilon: float = 0.0
    layout: str = "NCHW"

    def groups(self, channels: int) -> int:
        """The number of groups of channels, each of which has its own statistics. Raises ShapeError."""
        return channels

    def infer(self, x: TensorType, scale: TensorType | None = None, b: TensorType | None = None) -> TensorType:
        check_layout(self.op_type, self.layout)
        if x.rank < 2:
            raise ShapeError(f"{self.op_type} needs a batch and channels, got {format_shape(x.shape)}")
        channels = static_dim(self.op_type, x.shape, 1 if self.layout == "NCHW" else x.rank - 1)
        self.groups(channels)
        return _infer(self, x, (channels,), scale, b)

    def evaluate(self, x: np.ndarray, scale: np.ndarray | None = None, b: np.ndarray | None = None) -> np.ndarray:
        images = channels_last(x, self.layout)
        channels = images.shape[-1]
        groups = self.groups(channels)
        grouped = images.reshape(*images.shape[:-1], groups, channels // groups)
        axes = (*range(1, images.ndim - 1), images.ndim)
        y = _standardized(grouped, axes, self.epsilon, self.stddev_epsilon).reshape(images.shape)
        return in_layout(_scaled(y, scale, b), self.layout)


@dataclass(kw_only=True)
class GroupNormalization(InstanceNormalization):
    """InstanceNormalization in which each of ``num_groups`` groups of neighboring channels shares the statistics.

    >>> GroupNormalization(num_groups=1, epsilon=0.0).evaluate(np.array([[[1.0], [3.0]]]))
    array([[[-1.],
            [ 1.]]])
    """

    num_groups: int

    def groups(self, channels: int) -> int:
        if self.num_groups < 1 or channels % self.num_groups:
            raise ShapeError(f"{self.op_type}: {channels} channels do not divide into {self.num_groups} groups")
        return self.num_groups
