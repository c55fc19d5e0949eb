"""Pooling: the maximum or the mean of a sliding window, or of the whole image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from sofie_jit.ir.dims import static_dims
from sofie_jit.ir.operators.geometry import (
    Axis,
    image_axes,
    image_shape,
    outputs_of,
    taps,
    window_axes,
    window_requirements,
)
from sofie_jit.ir.operators.layout import channels_last, in_layout, spatial_axes
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.types import TensorType, float_dtype, lowest, tensor_type
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class Pool(ROperator):
    """A window that slides over images (N, C, spatial axes), or (N, spatial axes, C) with ``layout="NHWC"``.

    One to three spatial axes; floating point. Elements outside the image are ignored. With ``ceil_mode`` the last
    window along an axis may reach beyond the padding. ``layout`` is an extension of ONNX.

    >>> MaxPool(kernel_shape=[2], strides=[2]).evaluate(np.array([[[1.0, 3.0, 2.0, 0.0]]]))
    array([[[3., 2.]]])
    """

    kernel_shape: Sequence[int]
    strides: Sequence[int] | None = None
    pads: Sequence[int] | None = None
    dilations: Sequence[int] | None = None
    auto_pad: str = "NOTSET"
    ceil_mode: bool = False
    layout: str = "NCHW"

    integers: ClassVar[bool] = False
    """Whether it is defined for integers too."""

    def window(self, x: TensorType) -> tuple[tuple[Axis, ...], int]:
        """The window along each spatial axis of images ``x``, and the number of channels."""
        sizes, channels = image_axes(self.op_type, x.shape, self.layout)
        axes = window_axes(
            self.op_type, sizes, self.kernel_shape, self.strides, self.pads, self.dilations, self.auto_pad,
            self.ceil_mode,
        )  # fmt: skip
        return axes, channels

    def infer(self, x: TensorType) -> TensorType:
        axes, channels = self.window(x)
        shape = image_shape(x.shape[:1], outputs_of(axes), channels, self.layout)
        return TensorType(float_dtype(self.op_type, x, integers=self.integers), shape)

    def requirements(self, x: TensorType) -> list[Requirement]:
        return window_requirements(self.window(x)[0])

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        return math.prod(self.kernel_shape) * super().flops(inputs, outputs)


class MaxPool(Pool):
    """The maximum of the window.

    As in TensorFlow, NaN and minus infinity count as the smallest finite number, which an empty window gives too.
    Defined for integers too.
    """

    integers = True

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        axes, channels = self.window(tensor_type(x))
        images = channels_last(x, self.layout)
        shape = len(x), *static_dims(self.op_type, outputs_of(axes)), channels
        y = np.full(shape, lowest(x.dtype.name), x.dtype)
        for _, out, under in taps(axes):
            part = y[out]
            np.fmax(part, images[under], out=part)  # the number, if the other is NaN
        return in_layout(y, self.layout)


@dataclass(kw_only=True)
class AveragePool(Pool):
    """The mean of the part of the window inside the image, or with ``count_include_pad`` inside the padded image."""

    count_include_pad: bool = False

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        axes, channels = self.window(tensor_type(x))
        images = channels_last(x, self.layout)
        y = np.zeros((len(x), *static_dims(self.op_type, outputs_of(axes)), channels), x.dtype)
        for _, out, under in taps(axes):
            y[out] += images[under]
        counts = np.ones((), x.dtype)
        for axis in axes:
            size, before, after = static_dims(self.op_type, (axis.size, axis.before, axis.after))
            first, end = (-before, size + after) if self.count_include_pad else (0, size)
            positions = np.stack([axis.positions(tap) for tap in range(axis.kernel)])
            inside = ((positions >= first) & (positions < end)).sum(0)
            counts = counts[..., None] * inside.astype(x.dtype)
        return in_layout(y / counts[..., None], self.layout)


@dataclass(kw_only=True)
class GlobalPool(ROperator):
    """Over whole images (N, C, spatial axes), or (N, spatial axes, C) with ``layout="NHWC"``.

    One to three spatial axes, of which each becomes 1; float32 or float64. ``layout`` is an extension of ONNX.

    >>> GlobalAveragePool().evaluate(np.array([[[1.0, 2.0, 6.0]]]))
    array([[[3.]]])
    """

    layout: str = "NCHW"

    def infer(self, x: TensorType) -> TensorType:
        _, channels = image_axes(self.op_type, x.shape, self.layout)
        shape = image_shape(x.shape[:1], [1] * len(self._axes(x)), channels, self.layout)
        return TensorType(float_dtype(self.op_type, x), shape)

    def requirements(self, x: TensorType) -> list[Requirement]:
        return window_requirements(self._axes(x))

    def _axes(self, x: TensorType) -> tuple[Axis, ...]:
        """Windows of one pixel; raises ShapeError for an empty image, which has no mean and no maximum."""
        sizes, _ = image_axes(self.op_type, x.shape, self.layout)
        return window_axes(self.op_type, sizes, [1] * len(sizes), None, None, None, "NOTSET")

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        return super().flops([], [t for t in inputs if t])


class GlobalMaxPool(GlobalPool):
    """The maximum of each channel; NaN if an element is NaN."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x.max(tuple(spatial_axes(x.ndim, self.layout)), keepdims=True)


class GlobalAveragePool(GlobalPool):
    """The mean of each channel."""

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return x.mean(tuple(spatial_axes(x.ndim, self.layout)), keepdims=True)
