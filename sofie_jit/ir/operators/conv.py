"""Conv: convolution in one, two or three dimensions, with groups; depthwise is the case of one channel a group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sofie_jit.codegen.kernel_library import constant
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.activations import Activation, epilogue
from sofie_jit.ir.operators.gemm import K_BLOCK, emit_dense, gemm_function, panel_widths, zeros_pay
from sofie_jit.ir.operators.geometry import (
    Axis,
    by_register_width,
    image_axes,
    image_shape,
    outputs_of,
    tiles_the_image,
    volume,
    window_axes,
    window_members,
)
from sofie_jit.ir.operators.operator import (
    Emitter,
    ROperator,
    TensorType,
    check_bias,
    float_dtype,
    format_shape,
    literal,
    static_dims,
)

CACHED_INPUTS = 80 * 1024
"""Numbers that the input of one strip of output rows may have: they stay in a second-level cache."""
TILE_ROWS = {64: 12, 32: 6, 16: 6}
"""Pixels that a register tile can have (``tile_rows`` of ``tile.hxx``), by bytes of a register."""
WINOGRAD_PAIRS_PAY = 1 << 23
"""Floating-point operations for a row of the batch from which on ``gemm_pairs`` repays its compilation: in a small
convolutional network it makes the first answer 0.1 s later, and further ones faster by 1 %."""
WINOGRAD_BLOCK = constant("conv/winograd.hxx", "winograd_block")
"""Tiles that are computed together."""


@dataclass(kw_only=True)
class Conv(ROperator):
    """``Y = activation(X * W + B + R)``, ``*`` being what machine learning calls a convolution.

    Inputs: images X, (N, C, spatial axes) or, with ``layout="NHWC"``, (N, spatial axes, C); the kernel W, a weight,
    (M, C / group, spatial axes) or, with ``kernel_layout="HWIO"``, (spatial axes, C / group, M); optionally the bias
    B (M,), a weight. One to three spatial axes. Output M feature maps in the layout of X. float32 or float64.
    Beyond ONNX are ``activation`` and, unless there is one channel a group, the input R of the output's shape.
    """

    strides: Sequence[int] | None = None
    pads: Sequence[int] | None = None
    dilations: Sequence[int] | None = None
    group: int = 1
    auto_pad: str = "NOTSET"
    layout: str = "NCHW"
    kernel_layout: str = "OIHW"
    activation: Activation | None = None
    winograd: bool = False
    """Whether it is computed by ``winograd.hxx``, where :meth:`winograd_pays`."""
    skip_zeros: bool = False
    """Whether it is computed by ``sparse_gemm.hxx`` where pixels of X have zeros enough, where :meth:`zeros_pay`."""

    @property
    def kernels(self) -> tuple[str, ...]:  # type: ignore[override]
        names = ("conv/winograd",) if self.winograd else ("conv/conv", "conv/depthwise", "gemm/gemv")
        sparse = ["gemm/sparse_gemm"] * self.skip_zeros
        return tuple(f"{name}.hxx" for name in (*names, *sparse, "elementwise/activations"))

    @property
    def parallel_kernels(self) -> tuple[str, ...]:  # type: ignore[override]
        if self.winograd:
            return ("conv/parallel_winograd.hxx",)
        return (
            "gemm/parallel_gemm.hxx",
            "gemm/parallel_gemv.hxx",
            "conv/parallel_conv.hxx",
            "conv/parallel_depthwise.hxx",
        )

    def axes(self, x: TensorType, w: TensorType) -> tuple[Axis, ...]:
        """The window along each spatial axis of images ``x``, with a kernel ``w``."""
        return self._axes(x, w)[0]

    def _axes(self, x: TensorType, w: TensorType) -> tuple[tuple[Axis, ...], int, int]:
        """The window, and the channels of input and output."""
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

    def infer(
        self, x: TensorType, w: TensorType, b: TensorType | None = None, r: TensorType | None = None
    ) -> TensorType:
        dtype = float_dtype("Conv", x, w, b, r)
        axes, _, outputs = self._axes(x, w)
        check_bias("Conv", b, outputs)
        shape = image_shape(x.shape[:1], outputs_of(axes), outputs, self.layout)
        if r is not None and r.shape != shape:
            raise ShapeError(f"Conv: R must be {format_shape(shape)}, as the result, got {format_shape(r.shape)}")
        return TensorType(dtype, shape)

    def in_place(self, *inputs: TensorType | None) -> tuple[int, ...]:
        x, w = inputs[0], inputs[1]
        assert x is not None
        assert w is not None
        return (3,) if not self.winograd and self._is_gemm(self.axes(x, w)) else ()  # others finish pixels twice

    def _is_gemm(self, axes: Sequence[Axis]) -> bool:
        """Whether windows lie in memory one after the other, so that they are the rows of a matrix."""
        hwio = self.kernel_layout == "HWIO"
        return self.group == 1 and tiles_the_image(axes) and (hwio or all(axis.kernel == 1 for axis in axes))

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        x, w = inputs[0], inputs[1]
        assert x is not None
        assert w is not None
        axes = self.axes(x, w)
        return 2 * math.prod(static_dims("Conv", w.shape)) * math.prod(outputs_of(axes))

    def emit(self, code: Emitter) -> str:
        x, w, y = code.inputs[0], code.inputs[1], code.outputs[0]
        assert x is not None
        assert w is not None
        self.check_constant(code, 1, 2)
        axes, channels, outputs = self._axes(x, w)
        if not self.winograd and self._is_gemm(axes):
            rows, k = (y.shape[0], *outputs_of(axes)), math.prod(axis.kernel for axis in axes) * channels
            transposed = self.kernel_layout == "OIHW"
            return emit_dense(
                code, self, rows, k, outputs, transposed=transposed,
                activation=self.activation, skip_zeros=self.skip_zeros,
            )  # fmt: skip
        bias = code.packed("pack_bias", code.raw(2), outputs, literal(1, y.dtype))
        if self.winograd:
            return self._emit_winograd(code, axes, channels, outputs, bias)
        if 1 < self.group == channels:
            return self._emit_depthwise(code, axes, channels, outputs, bias)
        return self._emit_direct(code, axes, channels, outputs, bias)

    def winograd_pays(self, x: TensorType, w: TensorType) -> bool:
        """Whether Winograd's minimal filtering computes images ``x`` and a kernel ``w`` faster than the definition.

        It takes 16 products in place of 36, but more memory: 16 transformed weights in place of nine, and transformed
        images. Few channels, or few pixels for the weights to serve, make that the larger part. Its rounding errors
        are half as large again, so float64, which is asked for accuracy, does without.
        """
        axes, channels, outputs = self._axes(x, w)
        return (
            x.dtype == "float32"
            and self.layout == "NHWC"
            and self.group == 1
            and len(axes) == 2
            and all((axis.kernel, axis.stride, axis.dilation) == (3, 1, 1) for axis in axes)
            and channels % 16 == outputs % 16 == 0
            and channels >= 32
            and winograd_tiles(axes) >= 12
        )

    def zeros_pay(self, x: TensorType, w: TensorType) -> bool:
        """Whether passing over zeros in images ``x`` pays, with a kernel ``w``."""
        axes, channels, outputs = self._axes(x, w)
        terms = math.prod(axis.kernel for axis in axes) * channels
        return not self.winograd and self._is_gemm(axes) and zeros_pay(x.dtype, terms, outputs)

    def _emit_winograd(self, code: Emitter, axes: Sequence[Axis], channels: int, outputs: int, bias: str) -> str:
        y = code.outputs[0]
        shape = code.struct("WinogradShape", window_members(axes), channels, outputs)
        panels = code.packed("pack_winograd", code.raw(1), channels, outputs, self.kernel_layout == "OIHW")
        scratch = code.scratch(y.dtype, (winograd_scratch_size(channels, outputs),), per_thread=True)
        group = winograd_group(channels, outputs)
        flops = self.flops(code.inputs, code.outputs)
        gemm = gemm_function(code, flops, (channels, group), few=False, pay=WINOGRAD_PAIRS_PAY)
        tiles = code.count((*y.shape[:1], winograd_tiles(axes)))
        return code.parallel_call(
            "winograd", 0, tiles, 0, outputs, shape, code.input(0), panels, bias,
            code.input(3), code.output(0), scratch, epilogue(code, self.activation, y.dtype), gemm,
        )  # fmt: skip

    def _emit_depthwise(self, code: Emitter, axes: Sequence[Axis], channels: int, outputs: int, bias: str) -> str:
        y = code.outputs[0]
        batch, times = y.shape[:1], outputs // channels
        taps = math.prod(axis.kernel for axis in axes)
        side, stride = axes[-1].kernel, axes[-1].stride
        square = is_depthwise_square(axes) and outputs * np.dtype(y.dtype).itemsize >= max(TILE_ROWS)
        pack = "pack_depthwise_panels" if square else "pack_depthwise"
        weights = code.packed(pack, code.raw(1), taps, outputs, self.kernel_layout == "OIHW")
        x, calls = code.input(0), []
        if times > 1:
            sizes = [axis.size for axis in axes]
            repeated = code.scratch(y.dtype, (*batch, *sizes, outputs))
            calls.append(code.call("repeat_channels", code.count((*batch, *sizes)), channels, times, x, repeated))
            x = code.read_only(repeated)
        few = by_register_width(lambda lanes: outputs < lanes, y.dtype)
        calls.append(code.parallel_call(
            f"depthwise_square<{side}, {stride}>" if square else f"depthwise<{few}>",
            code.count(batch), code.struct("Window", *window_members(axes)), outputs, x, weights, bias, code.output(0),
            *([] if square else [code.scratch("int64", (2 * taps,), per_thread=True)]),
            epilogue(code, self.activation, y.dtype),
        ))  # fmt: skip
        return "\n".join(calls)

    def _emit_direct(self, code: Emitter, axes: Sequence[Axis], channels: int, outputs: int, bias: str) -> str:
        y = code.outputs[0]
        strip = strip_rows(axes, channels)
        shape = code.struct("ConvShape", window_members(axes), channels, outputs, self.group, strip)
        one = literal(1, y.dtype)
        if self.group == 1 and self.kernel_layout == "HWIO":  # what pack_conv would do, but most networks have this one
            terms = math.prod(axis.kernel for axis in axes) * channels
            panels = code.packed("pack_gemm", code.raw(1), terms, outputs, False, one)
        else:
            panels = code.packed("pack_conv", code.raw(1), shape, self.kernel_layout == "OIHW")
        scratch = code.scratch(y.dtype, (scratch_size(axes, channels, self.group, strip, y.dtype),), per_thread=True)
        pixels = by_register_width(lambda lanes: tile_pixels(strip * axes[-1].out, lanes, y.dtype), y.dtype)
        widths = by_register_width(lambda lanes: panel_widths(outputs // self.group, lanes), y.dtype)
        return code.parallel_call(
            f"conv<{pixels}, {widths}>", code.count(y.shape[:1]), shape, code.input(0), panels, bias, code.input(3),
            code.output(0), scratch, epilogue(code, self.activation, y.dtype),
        )  # fmt: skip


def is_depthwise_square(axes: Sequence[Axis]) -> bool:
    """Whether ``depthwise_square`` of ``depthwise.hxx`` is compiled for a window."""
    window = {(axis.kernel, axis.stride, axis.dilation) for axis in axes}
    return len(axes) == 2 and window <= {(3, 1, 1), (3, 2, 1), (5, 1, 1), (5, 2, 1)} and len(window) == 1


def winograd_tiles(axes: Sequence[Axis]) -> int:
    """Tiles of 2 x 2 outputs that cover an image."""
    return math.prod(math.ceil(axis.out / 2) for axis in axes)


def winograd_group(channels: int, outputs: int) -> int:
    """``WinogradShape::group`` of ``winograd.hxx``: outputs of one product."""
    return outputs if outputs % 128 or channels * outputs < 65536 else outputs // 2


def winograd_scratch_size(channels: int, outputs: int) -> int:
    """``winograd_scratch`` of ``winograd.hxx``: elements for a block's transformed images and products."""
    group = winograd_group(channels, outputs)
    places = sum(WINOGRAD_BLOCK * 3 // 2 * size + 16 for size in (channels, group))
    return 16 * places + channels + group + 16


def strip_rows(axes: Sequence[Axis], channels: int) -> int:
    """Output rows of a strip: what they read stays in the cache, there are pixels for a tile, strips are equal."""
    d, h, w = volume(axes)
    row = d.kernel * min(h.kernel, h.stride) * min(w.kernel, w.stride) * w.out * channels
    rows = min(max(CACHED_INPUTS // row, math.ceil(max(TILE_ROWS.values()) / w.out)), h.out)
    return math.ceil(h.out / math.ceil(h.out / rows))


def tile_pixels(pixels: int, lanes: int, dtype: str) -> int:
    """Pixels of a register tile: as many as there are registers for, or fewer if that leaves less to do twice."""
    largest = TILE_ROWS[lanes * np.dtype(dtype).itemsize]
    tiles = math.ceil(pixels / largest)
    return largest if tiles * largest <= 1.05 * pixels else math.ceil(pixels / tiles)


def scratch_size(axes: Sequence[Axis], channels: int, group: int, strip: int, dtype: str) -> int:
    """``conv_scratch`` of ``conv.hxx``: elements for the copy of a padded strip, and for the list of runs."""
    d, h, w = volume(axes)
    copy = d.kernel * h.under(strip) * w.under(w.out) * channels if any(axis.padded for axis in axes) else 0
    taps = d.kernel * h.kernel * w.kernel
    runs = taps + taps * channels // group // K_BLOCK + 1
    return math.ceil(copy / 64) * 64 + runs * 16 // np.dtype(dtype).itemsize
