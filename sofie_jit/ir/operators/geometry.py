"""Sizes and padding of convolution and pooling: the one place that computes them.

A window of one, two or three axes slides over an image. Kernels know three axes (D, H, W); an image of fewer has
leading axes of size 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.operator import Shape, check_table, format_shape, static_dims

LAYOUTS = ("NCHW", "NHWC")
"""Channels first, as ONNX defines it, or last; also for images of one and three dimensions."""
AUTO_PADS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


@dataclass(frozen=True)
class Axis:
    """One axis of an image and of the window over it."""

    size: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0

    @property
    def extent(self) -> int:
        """Input elements from the window's first tap to its last."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def out(self) -> int:
        """Places the window can take; none (0 or less) if it does not fit."""
        return (self.size + self.before + self.after - self.extent) // self.stride + 1

    def under(self, count: int) -> int:
        """Input elements from the first to the last that ``count`` neighbouring outputs touch."""
        return (count - 1) * self.stride + self.extent

    @property
    def padded(self) -> bool:
        """Whether some window reaches beyond the image."""
        return self.before > 0 or self.under(self.out) > self.size


ONE = Axis(1, 1)
"""An axis that an image does not have."""


def same_padding(size: int, extent: int, stride: int, *, upper: bool = True) -> tuple[int, int]:
    """Padding before and after an axis that makes ``ceil(size / stride)`` outputs.

    What is odd goes behind (``upper``; TensorFlow, ONNX's SAME_UPPER) or in front.
    """
    total = max((math.ceil(size / stride) - 1) * stride + extent - size, 0)
    return (total // 2, total - total // 2) if upper else (total - total // 2, total // 2)


def causal_padding(kernel: int, dilation: int) -> tuple[int, int]:
    """Padding with which an output sees no input after its own place."""
    return (kernel - 1) * dilation, 0


def image_axes(operator: str, shape: Shape, layout: str) -> tuple[tuple[int, ...], int]:
    """Sizes of the spatial axes, and the channels, of an image batch of ``shape``. Raises ShapeError."""
    if layout not in LAYOUTS:
        raise ShapeError(f"{operator}: layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    if not 3 <= len(shape) <= 5:
        raise ShapeError(
            f"{operator} takes images of one to three dimensions with a batch in front and channels, "
            f"got {format_shape(shape)}"
        )
    channels_last = shape if layout == "NHWC" else (shape[0], *shape[2:], shape[1])
    *sizes, channels = static_dims(operator, channels_last[1:])
    return tuple(sizes), channels


def image_shape(batch: Shape, sizes: Sequence[int], channels: int, layout: str) -> Shape:
    """The shape of an image batch in ``layout``."""
    return (*batch, *sizes, channels) if layout == "NHWC" else (*batch, channels, *sizes)


def window_axes(
    operator: str,
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int] | None,
    pads: Sequence[int] | None,
    dilations: Sequence[int] | None,
    auto_pad: str,
) -> tuple[Axis, ...]:
    """The axes of a window over an image, attributes as ONNX has them (``pads``: all before, then all after).

    Raises ShapeError if the attributes do not fit the image, or if the window does not fit into it.
    """
    rank = len(sizes)
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    if auto_pad not in AUTO_PADS:
        raise ShapeError(f"{operator}: auto_pad must be one of {', '.join(AUTO_PADS)}, got {auto_pad!r}")
    if pads and any(pads) and auto_pad != "NOTSET":
        raise ShapeError(f"{operator}: either pads or auto_pad can be given, got pads={pads} and {auto_pad}")
    for name, values, count in (("kernel", kernel, rank), ("strides", strides, rank), ("dilations", dilations, rank)):
        if len(values) != count or min(values) < 1:
            raise ShapeError(f"{operator}: {name} needs {count} positive numbers, got {list(values)}")
    check_table(f"{operator}, whose window is listed,", *kernel)
    if pads and (len(pads) != 2 * rank or min(pads) < 0):
        raise ShapeError(f"{operator}: pads needs {2 * rank} numbers >= 0 (before, then after), got {list(pads)}")
    axes = []
    for i, (size, k, stride, dilation) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        before, after = (pads[i], pads[rank + i]) if pads else (0, 0)
        if auto_pad.startswith("SAME"):
            extent = Axis(size, k, stride, dilation).extent
            before, after = same_padding(size, extent, stride, upper=auto_pad == "SAME_UPPER")
        axis = Axis(size, k, stride, dilation, before, after)
        if size < 1 or axis.out < 1:
            padded = f" padded by {before} and {after}" if before or after else ""
            raise ShapeError(
                f"{operator}: a window of {axis.extent} does not fit into axis {i} of the image, which has size "
                f"{size}{padded}; there would be no output (pad the image, or take a smaller kernel or dilation)"
            )
        axes.append(axis)
    return tuple(axes)


def volume(axes: Sequence[Axis]) -> tuple[Axis, Axis, Axis]:
    """The axes D, H, W of an image that may have fewer."""
    d, h, w = (*[ONE] * (3 - len(axes)), *axes)
    return d, h, w


def window_members(axes: Sequence[Axis]) -> list[int]:
    """The members of ``struct Window`` of ``window.hxx``."""
    members = ("size", "out", "kernel", "stride", "dilation", "before")
    return [getattr(axis, member) for member in members for axis in volume(axes)]


def by_register_width(choice: Callable[[int], int | bool], dtype: str) -> str:
    """A template argument that depends on the vectors of the machine: ``choice(elements of dtype in a vector)``."""
    values = [choice(size // np.dtype(dtype).itemsize) for size in (64, 32, 16)]
    texts = [str(value).lower() for value in values]
    return texts[0] if len(set(texts)) == 1 else f"k::by_register_width({', '.join(texts)})"


def outputs_of(axes: Sequence[Axis]) -> tuple[int, ...]:
    """Sizes of the output image."""
    return tuple(axis.out for axis in axes)


def tiles_the_image(axes: Sequence[Axis]) -> bool:
    """Whether the windows cut the image, as it lies in memory, into equal pieces: each a row of a matrix then."""

    def split(axis: Axis) -> bool:
        return not axis.padded and axis.stride == axis.kernel and axis.size == axis.out * axis.kernel

    def covered(axis: Axis) -> bool:
        return not axis.padded and axis.kernel == axis.size

    undilated = all(axis.dilation == 1 or axis.kernel == 1 for axis in axes)
    return undilated and any(
        all(axis.kernel == axis.stride == 1 and not axis.padded for axis in axes[:i])
        and (split(axes[i]) or covered(axes[i]))
        and all(map(covered, axes[i + 1 :]))
        for i in range(len(axes))
    )
