"""Pooling: the largest number or the mean of a sliding window, or of the whole image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sofie_jit.ir.operators.geometry import (
    Axis,
    image_axes,
    image_shape,
    outputs_of,
    window_axes,
)
from sofie_jit.ir.operators.operator import ROperator, TensorType, float_dtype


@dataclass(kw_only=True)
class Pool(ROperator):
    """A window that slides over images (N, C, spatial axes), or (N, spatial axes, C) with ``layout="NHWC"``.

    One to three spatial axes; float32 or float64. What lies outside the image takes no part.
    """

    kernel_shape: Sequence[int]
    strides: Sequence[int] | None = None
    pads: Sequence[int] | None = None
    dilations: Sequence[int] | None = None
    auto_pad: str = "NOTSET"
    layout: str = "NCHW"

    def window(self, x: TensorType) -> tuple[tuple[Axis, ...], int]:
        """The window along each spatial axis of images ``x``, and the number of channels."""
        sizes, channels = image_axes(self.op_type, x.shape, self.layout)
        axes = window_axes(
            self.op_type, sizes, self.kernel_shape, self.strides, self.pads, self.dilations, self.auto_pad
        )
        return axes, channels

    def infer(self, x: TensorType) -> TensorType:
        axes, channels = self.window(x)
        shape = image_shape(x.shape[:1], outputs_of(axes), channels, self.layout)
        return TensorType(float_dtype(self.op_type, x), shape)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        return math.prod(self.kernel_shape) * super().flops(inputs, outputs)


class MaxPool(Pool):
    """The largest number of the window. NaN counts as smaller than all numbers, as in TensorFlow."""


@dataclass(kw_only=True)
class AveragePool(Pool):
    """The mean of the window: of its part inside the image, or, with ``count_include_pad``, zeros outside included."""

    count_include_pad: bool = False


@dataclass(kw_only=True)
class GlobalPool(ROperator):
    """Over all of an image (N, C, spatial axes), or (N, spatial axes, C); its spatial axes become 1."""

    layout: str = "NCHW"

    def infer(self, x: TensorType) -> TensorType:
        sizes, channels = image_axes(self.op_type, x.shape, self.layout)
        # an empty image has no mean and no largest number
        window_axes(self.op_type, sizes, [1] * len(sizes), None, None, None, "NOTSET")
        shape = image_shape(x.shape[:1], [1] * len(sizes), channels, self.layout)
        return TensorType(float_dtype(self.op_type, x), shape)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        return super().flops([], [t for t in inputs if t])


class GlobalMaxPool(GlobalPool):
    """The largest number of each channel; NaN if there is one."""


class GlobalAveragePool(GlobalPool):
    """The mean of each channel."""
