"""Conv: convolution in one, two or three dimensions, with groups; depthwise is the case of one channel a group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.geometry import (
    Axis,
    image_axes,
    image_shape,
    outputs_of,
    window_axes,
)
from sofie_jit.ir.operators.operator import (
    ROperator,
    TensorType,
    check_bias,
    float_dtype,
    format_shape,
    static_dims,
)


@dataclass(kw_only=True)
class Conv(ROperator):
    """``Y = X * W + B``, where ``*`` is the convolution of machine learning (a cross-correlation).

    Inputs: images X, (N, C, spatial axes) or, with ``layout="NHWC"``, (N, spatial axes, C); the kernel W, a weight,
    (M, C / group, spatial axes) or, with ``kernel_layout="HWIO"``, (spatial axes, C / group, M); optionally the bias
    B (M,), a weight. One to three spatial axes. Output M feature maps in the layout of X. float32 or float64.

    ``layout`` and ``kernel_layout`` are extensions of ONNX: the order of the axes of X and Y, and of W.
    """

    strides: Sequence[int] | None = None
    pads: Sequence[int] | None = None
    dilations: Sequence[int] | None = None
    group: int = 1
    auto_pad: str = "NOTSET"
    layout: str = "NCHW"
    kernel_layout: str = "OIHW"

    def axes(self, x: TensorType, w: TensorType) -> tuple[Axis, ...]:
        """The window along each spatial axis of images ``x``, with a kernel ``w``."""
        return self.window(x, w)[0]

    def window(self, x: TensorType, w: TensorType) -> tuple[tuple[Axis, ...], int, int]:
        """The window along each spatial axis, and the number of channels of input and output."""
        sizes, channels = image_axes("Conv", x.shape, self.layout)
        kernel = static_dims("Conv", w.shape, "kernel")
        if self.kernel_layout not in ("OIHW", "HWIO"):
            raise ShapeError(f"Conv: kernel_layout must be OIHW or HWIO, got {self.kernel_layout!r}")
        if len(kernel) != len(sizes) + 2:
            raise ShapeError(
                f"Conv: images {format_shape(x.shape)} have {len(sizes)} spatial axes, so the kernel must have "
                f"{len(sizes) + 2}, got {format_shape(w.shape)}"
            )
        hwio = self.kernel_layout == "HWIO"
        (inputs, outputs), taps = (kernel[-2:], kernel[:-2]) if hwio else (kernel[1::-1], kernel[2:])
        if self.group < 1 or channels != inputs * self.group or outputs % self.group or outputs < 1 or inputs < 1:
            raise ShapeError(
                f"Conv: a kernel {format_shape(w.shape)} ({self.kernel_layout}) with group={self.group} takes "
                f"{inputs * self.group} channels to {outputs}, which must divide by group; "
                f"the images {format_shape(x.shape)} ({self.layout}) have {channels}"
            )
        axes = window_axes("Conv", sizes, taps, self.strides, self.pads, self.dilations, self.auto_pad)
        return axes, channels, outputs

    def infer(self, x: TensorType, w: TensorType, b: TensorType | None = None) -> TensorType:
        dtype = float_dtype("Conv", x, w, b)
        axes, _, outputs = self.window(x, w)
        check_bias("Conv", b, outputs)
        return TensorType(dtype, image_shape(x.shape[:1], outputs_of(axes), outputs, self.layout))

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        x, w = inputs[0], inputs[1]
        assert x is not None
        assert w is not None
        axes = self.axes(x, w)
        return 2 * math.prod(static_dims("Conv", w.shape)) * math.prod(outputs_of(axes))
