"""ConvTranspose: the transpose of a convolution in one, two or three dimensions, which enlarges images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import Dim, format_shape, maximum, split_count, static_dims
from sofie_jit.ir.operators.conv import check_kernel_shape, grouped_product
from sofie_jit.ir.operators.geometry import (
    AUTO_PADS,
    Axis,
    image_axes,
    image_shape,
    outputs_of,
    taps,
)
from sofie_jit.ir.operators.layout import channels_last, in_layout
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.types import TensorType, check_bias, float_dtype, tensor_type
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class ConvTranspose(ROperator):
    """Every input pixel adds its multiple of the kernel to a window of the output; then the bias is added.

    Inputs: images X, (N, C, spatial axes) or, with ``layout="NHWC"``, (N, spatial axes, C); the kernel W, a weight,
    (C, M / group, spatial axes) or, with ``kernel_layout="HWOI"``, (spatial axes, M / group, C); optionally the bias
    B (M,), a weight. One to three spatial axes. Output: M feature maps in the layout of X, with the spatial sizes
    ``stride * (size - 1) + (kernel - 1) * dilation + 1 - pads + output_padding``. float32 or float64.

    With ``output_shape``, the spatial sizes, or an ``auto_pad`` of SAME_UPPER or SAME_LOWER, with which they are
    ``stride * size``, the pads follow from the sizes. ``layout`` and ``kernel_layout`` are extensions of ONNX.

    >>> ConvTranspose(strides=[2]).evaluate(np.array([[[1.0, 2.0]]]), np.array([[[1.0, 10.0, 100.0]]]))
    array([[[  1.,  10., 102.,  20., 200.]]])
    """

    kernel_shape: Sequence[int] | None = None
    strides: Sequence[int] | None = None
    pads: Sequence[int] | None = None
    dilations: Sequence[int] | None = None
    output_padding: Sequence[int] | None = None
    output_shape: Sequence[int] | None = None
    group: int = 1
    auto_pad: str = "NOTSET"
    layout: str = "NCHW"
    kernel_layout: str = "IOHW"

    def window(self, x: TensorType, w: TensorType) -> tuple[tuple[Axis, ...], int, int]:
        """The window of the convolution that is transposed, from output to input; channels of input and output."""
        sizes, channels = image_axes("ConvTranspose", x.shape, self.layout)
        kernel = static_dims("ConvTranspose", w.shape, "kernel")
        rank = len(sizes)
        if self.kernel_layout not in ("IOHW", "HWOI"):
            raise ShapeError(f"ConvTranspose: kernel_layout must be IOHW or HWOI, got {self.kernel_layout!r}")
        first = self.kernel_layout == "IOHW"
        (inputs, outputs), spatial = (kernel[:2], kernel[2:]) if first else (kernel[:-3:-1], kernel[:-2])
        if len(kernel) != rank + 2 or inputs != channels or min(kernel) < 1:
            raise ShapeError(
                f"ConvTranspose: images {format_shape(x.shape)} ({self.layout}) need a kernel of {rank + 2} dimensions "
                f"for {channels} input channels, got {format_shape(w.shape)} ({self.kernel_layout})"
            )
        if self.group < 1 or channels % self.group:
            raise ShapeError(f"ConvTranspose: {channels} channels do not divide into group={self.group}")
        check_kernel_shape("ConvTranspose", self.kernel_shape, spatial)
        return self._axes(sizes, spatial), channels, outputs * self.group

    def _axes(self, sizes: Sequence[Dim], kernel: Sequence[int]) -> tuple[Axis, ...]:
        rank = len(sizes)
        strides, dilations = self.strides or [1] * rank, self.dilations or [1] * rank
        pads, more = self.pads or [0] * (2 * rank), self.output_padding or [0] * rank
        wanted: Sequence[Dim] | None = self.output_shape
        given = self.output_shape or [0] * rank
        for name, values, count, least in (
            ("strides", strides, rank, 1), ("dilations", dilations, rank, 1),
            ("pads", pads, 2 * rank, 0), ("output_padding", more, rank, 0), ("output_shape", given, rank, 0),
        ):  # fmt: skip
            if len(values) != count or min(values) < least:
                raise ShapeError(f"ConvTranspose: {name} needs {count} numbers >= {least}, got {list(values)}")
        if any(n >= stride for n, stride in zip(more, strides, strict=True)):
            raise ShapeError(
                f"ConvTranspose: output_padding must be smaller than the strides {list(strides)}, got {list(more)}"
            )
        if self.auto_pad not in AUTO_PADS:
            raise ShapeError(f"ConvTranspose: auto_pad must be one of {', '.join(AUTO_PADS)}, got {self.auto_pad!r}")
        if wanted is None and self.auto_pad.startswith("SAME"):
            wanted = [size * stride for size, stride in zip(sizes, strides, strict=True)]
        axes = []
        for i, size in enumerate(sizes):
            before: Dim
            after: Dim
            before, after = pads[i], pads[rank + i]
            reach = Axis(1, kernel[i], strides[i], dilations[i]).under(size) + more[i]
            out = reach - before - after
            if wanted is not None:
                total, out = maximum(reach - wanted[i], 0), wanted[i]
                smaller, larger = total // 2, total - total // 2
                before, after = (smaller, larger) if self.auto_pad == "SAME_UPPER" else (larger, smaller)
            axis = Axis(out, kernel[i], strides[i], dilations[i], before, after)
            if any(Requirement(1, "<=", dim).holds is False for dim in (size, out)):
                raise ShapeError(
                    f"ConvTranspose: axis {i} of the image, of size {size}, would become {maximum(out, 0)} numbers; "
                    f"the pads {before} and {after} are too large"
                )
            if Requirement(axis.out, "==", size).holds is False:
                raise ShapeError(f"ConvTranspose: axis {i} of the image, of size {size}, cannot become {out} numbers")
            axes.append(axis)
        return tuple(axes)

    def infer(self, x: TensorType, w: TensorType, b: TensorType | None = None) -> TensorType:
        dtype = float_dtype("ConvTranspose", x, w, b)
        axes, _, outputs = self.window(x, w)
        check_bias("ConvTranspose", b, outputs)
        return TensorType(dtype, image_shape(x.shape[:1], [axis.size for axis in axes], outputs, self.layout))

    def requirements(self, x: TensorType, w: TensorType, b: TensorType | None = None) -> list[Requirement]:
        sizes, _ = image_axes("ConvTranspose", x.shape, self.layout)
        axes, _, _ = self.window(x, w)
        positive = [Requirement(1, "<=", dim) for dim in (*sizes, *(axis.size for axis in axes))]
        return [*positive, *(Requirement(axis.out, "==", size) for axis, size in zip(axes, sizes, strict=True))]

    def evaluate(self, x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        axes, channels, outputs = self.window(tensor_type(x), tensor_type(w))
        kernel = np.swapaxes(w, -1, -2) if self.kernel_layout == "HWOI" else np.moveaxis(w, (0, 1), (-2, -1))
        # (spatial axes, C, M / group) -> (spatial axes, C / group, M), as in a convolution
        spatial = kernel.shape[:-2]
        kernel = kernel.reshape(*spatial, self.group, channels // self.group, -1)
        kernel = np.swapaxes(kernel, -3, -2).reshape(*spatial, channels // self.group, outputs)
        images = channels_last(x, self.layout)
        sizes = static_dims("ConvTranspose", tuple(axis.size for axis in axes))
        y = np.zeros((len(x), *sizes, outputs), x.dtype)
        for tap, under, out in taps(axes):
            y[out] += grouped_product(images[under], kernel[tap], self.group)
        return in_layout(y if b is None else y + b, self.layout)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        x, w = inputs[0], inputs[1]
        assert x is not None
        assert w is not None
        axes, _, _ = self.window(x, w)
        return 2 * split_count((*w.shape, *outputs_of(axes)))[0]
