"""Pooling: the largest number or the mean of a sliding window, or of the whole image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sofie_jit.codegen.kernel_library import constant
from sofie_jit.ir.operators.geometry import (
    Axis,
    by_register_width,
    image_axes,
    image_shape,
    outputs_of,
    window_axes,
    window_members,
)
from sofie_jit.ir.operators.operator import Emitter, ROperator, TensorType, float_dtype

TOGETHER = constant("pool/pool.hxx", "pool_together")
"""Neighbouring windows that are computed together."""


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

    kernels = ("pool/pool.hxx",)
    parallel_kernels = ("pool/parallel_pool.hxx",)

    def _axes(self, x: TensorType) -> tuple[tuple[Axis, ...], int]:
        sizes, channels = image_axes(self.op_type, x.shape, self.layout)
        axes = window_axes(
            self.op_type, sizes, self.kernel_shape, self.strides, self.pads, self.dilations, self.auto_pad
        )
        return axes, channels

    def infer(self, x: TensorType) -> TensorType:
        axes, channels = self._axes(x)
        shape = image_shape(x.shape[:1], outputs_of(axes), channels, self.layout)
        return TensorType(float_dtype(self.op_type, x), shape)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        return math.prod(self.kernel_shape) * super().flops(inputs, outputs)

    def functor(self) -> str:
        """The C++ function object that says what is done with a window."""
        return f"k::{self.op_type}{{}}"

    def emit(self, code: Emitter) -> str:
        x = code.inputs[0]
        assert x is not None
        axes, channels = self._axes(x)
        few, singles = by_register_width(lambda lanes: channels < lanes, x.dtype), str(_has_singles(axes)).lower()
        return code.parallel_call(
            f"pool<{few}, {singles}>", code.count(x.shape[:1]), code.struct("Window", *window_members(axes)),
            channels, code.input(0), code.output(0),
            code.scratch("int64", (2 * math.prod(self.kernel_shape),), per_thread=True), self.functor(),
        )  # fmt: skip


def _has_singles(axes: Sequence[Axis]) -> bool:
    """Whether some windows are computed by themselves: rows are too short, or windows reach beyond them.

    Among threads, rows of one-dimensional images are cut (``window_axis`` of ``parallel_window.hxx``).
    """
    *others, last = axes
    return last.padded or last.out < TOGETHER or all(axis.size == axis.out == 1 for axis in others)


@dataclass(kw_only=True)
class MaxPool(Pool):
    """The largest number of the window. NaN counts as smaller than all numbers, as in TensorFlow.

    Beyond ONNX is ``zeros``: what lies outside the image is zeros that take part.
    """

    zeros: bool = False

    def functor(self) -> str:
        return f"k::MaxPool{{{'true' if self.zeros else ''}}}"


@dataclass(kw_only=True)
class AveragePool(Pool):
    """The mean of the window: of its part inside the image, or, with ``count_include_pad``, zeros outside included."""

    count_include_pad: bool = False

    def functor(self) -> str:
        return f"k::AveragePool{{{'true' if self.count_include_pad else 'false'}}}"


@dataclass(kw_only=True)
class GlobalPool(ROperator):
    """Over all of an image (N, C, spatial axes), or (N, spatial axes, C); its spatial axes become 1."""

    layout: str = "NCHW"

    kernels = ("pool/pool.hxx",)

    def infer(self, x: TensorType) -> TensorType:
        sizes, channels = image_axes(self.op_type, x.shape, self.layout)
        # an empty image has no mean and no largest number
        window_axes(self.op_type, sizes, [1] * len(sizes), None, None, None, "NOTSET")
        shape = image_shape(x.shape[:1], [1] * len(sizes), channels, self.layout)
        return TensorType(float_dtype(self.op_type, x), shape)

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        return super().flops([], [t for t in inputs if t])

    def emit(self, code: Emitter) -> str:
        x = code.inputs[0]
        assert x is not None
        sizes, channels = image_axes(self.op_type, x.shape, self.layout)
        few = by_register_width(lambda lanes: channels < lanes, x.dtype)
        return code.call(
            f"global_pool<{few}>", code.count(x.shape[:1]), math.prod(sizes),
            channels, code.input(0), code.output(0), f"k::{self.op_type}{{}}",
        )  # fmt: skip


class GlobalMaxPool(GlobalPool):
    """The largest number of each channel; NaN if there is one."""


class GlobalAveragePool(GlobalPool):
    """The mean of each channel."""
