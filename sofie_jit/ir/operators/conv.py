"""Conv: convolution in one, two or three dimensions, with groups; depthwise if each group has one channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import format_shape, split_count, static_dims
from sofie_jit.ir.operators.geometry import (
    Axis,
    image_axes,
    image_shape,
    outputs_of,
    taps,
    window_axes,
    window_requirements,
)
from sofie_jit.ir.operators.layout import channels_last, in_layout
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.types import TensorType, check_bias, float_dtype, tensor_type
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class Conv(ROperator):
    """``Y = X * W + B``, where ``*`` is the convolution of machine learning (a cross-correlation).

    Inputs: images X, (N, C, spatial axes) or, with ``layout="NHWC"``, (N, spatial axes, C); the kernel W, a weight,
    (M, C / group, spatial axes) or, with ``kernel_layout="HWIO"``, (spatial axes, C / group, M); optionally the bias
    B (M,), a weight. One to three spatial axes. Output: M feature maps in the layout of X. float32 or float64.

    Taps outside the image add nothing. ``layout`` and ``kernel_layout`` are extensions of ONNX: the order of the axes
    of X and Y, and of W.

    >>> Conv(pads=[1, 0]).evaluate(np.array([[[1.0, 2.0, 3.0]]]), np.array([[[1.0, 10.0]]]))
    array([[[10., 21., 32.]]])
    """

    kernel_shape: Sequence[int] | None = None
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
        (inputs, outputs), spatial = (kernel[-2:], kernel[:-2]) if hwio else (kernel[1::-1], kernel[2:])
        if self.group < 1 or channels != inputs * self.group or outputs % self.group or outputs < 1 or inputs < 1:
            raise ShapeError(
                f"Conv: a kernel {format_shape(w.shape)} ({self.kernel_layout}) with group={self.group} takes "
                f"{inputs * self.group} channels to {outputs}, which must divide by group; "
                f"the images {format_shape(x.shape)} ({self.layout}) have {channels}"
            )
        check_kernel_shape("Conv", self.kernel_shape, spatial)
        axes = window_axes("Conv", sizes, spatial, self.strides, self.pads, self.dilations, self.auto_pad)
        return axes, channels, outputs

    def infer(self, x: TensorType, w: TensorType, b: TensorType | None = None) -> TensorType:
        dtype = float_dtype("Conv", x, w, b)
        axes, _, outputs = self.window(x, w)
        check_bias("Conv", b, outputs)
        return TensorType(dtype, image_shape(x.shape[:1], outputs_of(axes), outputs, self.layout))

    def requirements(self, x: TensorType, w: TensorType, *others: TensorType | None) -> list[Requirement]:
        return window_requirements(self.axes(x, w))

    def evaluate(self, x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        axes, _, outputs = self.window(tensor_type(x), tensor_type(w))
        kernel = w if self.kernel_layout == "HWIO" else np.moveaxis(w, (0, 1), (-1, -2))
        images = channels_last(x, self.layout)
        y = np.zeros((len(x), *static_dims("Conv", outputs_of(axes)), outputs), x.dtype)
        for tap, out, under in taps(axes):
            y[out] += grouped_product(images[under], kernel[tap], self.group)
        return in_layout(y if b is None else y + b, self.layout)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        x, w = inputs[0], inputs[1]
        assert x is not None
        assert w is not None
        axes = self.axes(x, w)
        return 2 * split_count((*w.shape, *outputs_of(axes)))[0]


def check_kernel_shape(operator: str, given: Sequence[int] | None, found: Sequence[int]) -> None:
    """Raises ShapeError if ONNX's attribute ``kernel_shape`` is given and the kernel has another one."""
    if given is not None and list(given) != list(found):
        raise ShapeError(f"{operator}: kernel_shape is {list(given)}, but the kernel has {list(found)}")


def grouped_product(x: np.ndarray, w: np.ndarray, group: int) -> np.ndarray:
    """The product over the channels of each group: x (..., C), w (C / group, M), result (..., M)."""
    inputs, outputs = w.shape
    rows = x.reshape(-1, group * inputs)  # so that BLAS gets one large matrix
    if group == 1:
        product = rows @ w
    elif inputs == 1:
        product = rows[:, :, None] * w.reshape(group, -1)
    else:
        parts = np.moveaxis(rows.reshape(-1, group, inputs), 1, 0) @ np.moveaxis(w.reshape(inputs, group, -1), 1, 0)
        product = np.moveaxis(parts, 0, 1)
    return product.reshape(*x.shape[:-1], outputs)
