"""Sizes and padding of convolution and pooling, all computed here.

A window of one, two or three axes slides over an image. The kernels have three axes (D, H, W); an image with fewer has
leading axes of size 1.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import (
    Dim,
    Shape,
    ceil_div,
    format_shape,
    is_at_least,
    maximum,
    minimum,
    static_dim,
    static_dims,
)
from sofie_jit.ir.operators.layout import check_layout
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.types import check_table
from sofie_jit.records import dataclass

AUTO_PADS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


@dataclass(frozen=True)
class Axis:
    """One axis of an image and of the window over it.

    >>> Axis(size=5, kernel=3, stride=2, before=1, after=1).out
    3
    """

    size: Dim
    kernel: int
    stride: int = 1
    dilation: int = 1
    before: Dim = 0
    """Padding before the first element."""
    after: Dim = 0
    """Padding after the last element."""
    ceil: bool = False
    """Whether a last window may reach beyond the padding, if it does not start behind the image."""

    @property
    def extent(self) -> int:
        """Input elements from the window's first tap to its last."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def out(self) -> Dim:
        """The number of positions of the window; 0 or less if it does not fit."""
        space = self.size + self.before + self.after - self.extent
        if not self.ceil:
            return space // self.stride + 1
        out = ceil_div(space, self.stride) + 1
        # one less if the last window would start behind the image
        return maximum(minimum(out, ceil_div(self.size + self.before, self.stride)), out - 1)

    def under(self, count: Dim) -> Dim:
        """Input elements from the first to the last that ``count`` neighboring outputs read."""
        return (count - 1) * self.stride + self.extent

    @property
    def padded(self) -> bool:
        """Whether some window reaches beyond the image, for some sizes of it."""
        return not (self.before == 0 and is_at_least(self.size, self.under(self.out)))

    @property
    def ends_in_padding(self) -> bool:
        """Whether no window reaches beyond the padding, for any size of the image."""
        return is_at_least(self.size + self.before + self.after, self.under(self.out))

    def positions(self, tap: int) -> np.ndarray:
        """For each output the input element under ``tap`` of the kernel, which may lie outside the image."""
        _, out, before = self._numbers()
        return np.arange(out) * self.stride + (tap * self.dilation - before)

    def inside(self, tap: int) -> tuple[slice, slice]:
        """The outputs for which ``tap`` lies inside the image, and the input elements under it."""
        size, out, before = self._numbers()
        shift = tap * self.dilation - before
        first = max(-(shift // self.stride), 0)
        last = min((size - 1 - shift) // self.stride, out - 1)
        if last < first:
            return slice(0, 0), slice(0, 0)
        start = first * self.stride + shift
        return slice(first, last + 1), slice(start, start + (last - first) * self.stride + 1, self.stride)

    def _numbers(self) -> tuple[int, int, int]:
        """Size, positions and padding before, all known."""
        size, out, before = static_dims("a window", (self.size, self.out, self.before), "image")
        return size, out, before


def taps(axes: Sequence[Axis]) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...], tuple[slice, ...]]]:
    """For each tap of a window its index, the outputs for which it lies inside the image, and the inputs under it.

    Both are indices into channels-last images.
    """
    for index in itertools.product(*(range(axis.kernel) for axis in axes)):
        parts = [axis.inside(tap) for axis, tap in zip(axes, index, strict=True)]
        yield index, (slice(None), *(out for out, _ in parts)), (slice(None), *(under for _, under in parts))


def same_padding(size: Dim, extent: int, stride: int, *, upper: bool = True) -> tuple[Dim, Dim]:
    """Padding before and after an axis with which it has ``ceil(size / stride)`` outputs.

    An odd element goes after the axis (``upper``: TensorFlow, ONNX's SAME_UPPER) or before it.

    >>> same_padding(5, 4, 1)
    (1, 2)
    """
    total = maximum((ceil_div(size, stride) - 1) * stride + extent - size, 0)
    return (total // 2, total - total // 2) if upper else (total - total // 2, total // 2)


def causal_padding(kernel: int, dilation: int) -> tuple[int, int]:
    """Padding with which an output depends on no input after its own position.

    >>> causal_padding(3, 2)
    (4, 0)
    """
    return (kernel - 1) * dilation, 0


def image_axes(operator: str, shape: Shape, layout: str) -> tuple[Shape, int]:
    """Sizes of the spatial axes and number of channels of a batch of images of ``shape``.

    Raises ShapeError, also if the number of channels is not known.
    """
    check_layout(operator, layout)
    if not 3 <= len(shape) <= 5:
        raise ShapeError(
            f"{operator} takes images of one to three dimensions with a batch in front and channels, "
            f"got {format_shape(shape)}"
        )
    channels_last = shape if layout == "NHWC" else (shape[0], *shape[2:], shape[1])
    return channels_last[1:-1], static_dim(operator, channels_last, -1)


def image_shape(batch: Shape, sizes: Sequence[Dim], channels: int, layout: str) -> Shape:
    """The shape of a batch of images in ``layout``."""
    return (*batch, *sizes, channels) if layout == "NHWC" else (*batch, channels, *sizes)


def window_axes(
    operator: str,
    sizes: Sequence[Dim],
    kernel: Sequence[int],
    strides: Sequence[int] | None,
    pads: Sequence[int] | None,
    dilations: Sequence[int] | None,
    auto_pad: str,
    ceil_mode: bool = False,
) -> tuple[Axis, ...]:
    """The axes of a window over an image, from attributes as in ONNX (``pads``: all before, then all after).

    Raises ShapeError if the attributes do not fit the image, or if the window does not fit into it.
    """
    rank = len(sizes)
    lists = sizes, kernel, strides or [1] * rank, pads or (), dilations or [1] * rank
    return _window_axes(operator, *map(tuple, lists), auto_pad, ceil_mode)


@functools.lru_cache(maxsize=4096)  # each pass over a network asks again: 37 times per convolution of MobileNetV2
def _window_axes(
    operator: str,
    sizes: tuple[Dim, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    pads: tuple[int, ...],
    dilations: tuple[int, ...],
    auto_pad: str,
    ceil_mode: bool,
) -> tuple[Axis, ...]:
    rank = len(sizes)
    if auto_pad not in AUTO_PADS:
        raise ShapeError(f"{operator}: auto_pad must be one of {', '.join(AUTO_PADS)}, got {auto_pad!r}")
    if pads and any(pads) and auto_pad != "NOTSET":
        raise ShapeError(f"{operator}: either pads or auto_pad can be given, got pads={list(pads)} and {auto_pad}")
    for name, values, count in (("kernel", kernel, rank), ("strides", strides, rank), ("dilations", dilations, rank)):
        if len(values) != count or min(values) < 1:
            raise ShapeError(f"{operator}: {name} needs {count} positive numbers, got {list(values)}")
    check_table(f"{operator}, whose window is listed,", *kernel)
    if pads and (len(pads) != 2 * rank or min(pads) < 0):
        raise ShapeError(f"{operator}: pads needs {2 * rank} numbers >= 0 (before, then after), got {list(pads)}")
    axes = []
    for i, (size, k, stride, dilation) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        before: Dim = pads[i] if pads else 0
        after: Dim = pads[rank + i] if pads else 0
        if auto_pad.startswith("SAME"):
            extent = Axis(size, k, stride, dilation).extent
            before, after = same_padding(size, extent, stride, upper=auto_pad == "SAME_UPPER")
        axis = Axis(size, k, stride, dilation, before, after, ceil_mode)
        if any(need.holds is False for need in _window_requirements(axis)):
            padded = f" padded by {before} and {after}" if before or after else ""
            raise ShapeError(
                f"{operator}: a window of {axis.extent} does not fit into axis {i} of the image, which has size "
                f"{size}{padded}; there would be no output (pad the image, or take a smaller kernel or dilation)"
            )
        axes.append(axis)
    return tuple(axes)


def window_requirements(axes: Sequence[Axis]) -> list[Requirement]:
    """What sizes that are known only at run time must satisfy so that the windows fit into the image."""
    return [need for axis in axes for need in _window_requirements(axis)]


def _window_requirements(axis: Axis) -> list[Requirement]:
    padded = axis.size + axis.before + axis.after
    fits = Requirement(1, "<=", axis.out) if axis.ceil else Requirement(axis.extent, "<=", padded)
    return [Requirement(1, "<=", axis.size), fits]


def outputs_of(axes: Sequence[Axis]) -> Shape:
    """Sizes of the output image."""
    return tuple(axis.out for axis in axes)
