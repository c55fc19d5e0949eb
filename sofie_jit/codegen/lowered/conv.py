"""Convolutions by kernel: DenseConv, DirectConv, DepthwiseConv, WinogradConv.

:class:`FusedConv` is a convolution whose kernel has not been chosen yet. The choice is a function of the layer's shape,
never of the batch, so that the result for a row is bit-identical in any batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from sofie_jit.codegen import tuning
from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import Call, PackedPointer, Pointer, Statement, as_size, choice, literal
from sofie_jit.codegen.lowered.activations import epilogue
from sofie_jit.codegen.lowered.dense import (
    PARALLEL_KERNELS,
    dense_kernels,
    emit_dense,
    gemm_function,
    panel_widths,
    splits_k,
    zeros_pay,
)
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.codegen.lowered.window import (
    by_register_width,
    is_open,
    kernel_only,
    tiles_the_image,
    tiling_conditions,
    volume,
    window_members,
)
from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import Dim, SymbolicDim, ceil_div, format_shape, is_at_least, maximum, minimum
from sofie_jit.ir.operators.activations import Activation, activated
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.geometry import Axis, outputs_of
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.types import TensorType, float_dtype
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class FusedConv(Conv):
    """``Y = activation(X * W + B + R)``: a Conv with an activation and a residual R of the shape of Y, its input 3."""

    activation: Activation | None = None

    def infer(
        self, x: TensorType, w: TensorType, b: TensorType | None = None, r: TensorType | None = None
    ) -> TensorType:
        y = super().infer(x, w, b)
        if r is not None:
            float_dtype("Conv", x, r)
            if r.shape != y.shape:
                raise ShapeError(f"Conv: R must be {format_shape(y.shape)}, as the result, got {format_shape(r.shape)}")
        return y

    def evaluate(
        self, x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, r: np.ndarray | None = None
    ) -> np.ndarray:
        y = super().evaluate(x, w, b)
        return activated(self.activation, y if r is None else y + r)

    def kernel(self, x: TensorType, w: TensorType) -> type[FusedConv]:
        """The class of the kernel that computes images ``x`` with a kernel ``w``; Winograd's is chosen by a pass."""
        axes, channels, outputs = self.window(x, w)
        if is_dense(self, axes):
            return DenseConv
        if may_be_dense(self, axes) and sums_may_be_split(axes, channels, outputs):
            return DenseOrDirectConv
        return DepthwiseConv if 1 < self.group == channels else DirectConv

    def winograd_can_pay(self, x: TensorType, w: TensorType) -> bool:
        """Whether Winograd's minimal filtering is faster than the direct algorithm if images ``x`` are large enough.

        It needs 16 products instead of 36, but more memory: 16 transformed weights instead of nine, and transformed
        images. With few channels, or few pixels per weight, memory accesses dominate. Its rounding errors are about 1.5
        times as large, so it is not used for float64, which users choose for accuracy.
        """
        axes, channels, outputs = self.window(x, w)
        return (
            x.dtype == "float32"
            and self.layout == "NHWC"
            and self.group == 1
            and len(axes) == 2
            and all((axis.kernel, axis.stride, axis.dilation) == (3, 1, 1) for axis in axes)
            and channels % 16 == outputs % 16 == 0
            and channels >= tuning.WINOGRAD_MIN_CHANNELS
        )

    def winograd_kernel(self, x: TensorType, w: TensorType) -> type[FusedConv] | None:
        """The class that computes images ``x`` with Winograd's filtering where it pays, None if it never does."""
        if not self.winograd_can_pay(x, w):
            return None
        tiles = winograd_tiles(self.axes(x, w))
        if is_at_least(tiles, tuning.WINOGRAD_MIN_TILES):
            return WinogradConv
        return None if isinstance(tiles, int) else WinogradOrDirectConv


class DirectConv(FusedConv):
    """A convolution by ``conv.hxx``: strips of output rows, without a copy of the image's windows."""


@dataclass(kw_only=True)
class DenseConv(FusedConv):
    """A convolution whose windows lie in memory one after the other, so that they are the rows of a matrix."""

    skip_zeros: bool = False
    """Whether pixels with enough zeros are computed by ``sparse_gemm.hxx``, where :meth:`zeros_pay`."""

    def zeros_pay(self, x: TensorType, w: TensorType) -> bool:
        """Whether passing over zeros in images ``x`` pays, with a kernel ``w``."""
        axes, channels, outputs = self.window(x, w)
        return zeros_pay(x.dtype, math.prod(axis.kernel for axis in axes) * channels, outputs)


class DepthwiseConv(FusedConv):
    """A convolution with one input channel per group, by ``depthwise.hxx``."""


class WinogradConv(FusedConv):
    """A 3 x 3 convolution by Winograd's minimal filtering F(2 x 2, 3 x 3), ``winograd.hxx``."""


class WinogradOrDirectConv(FusedConv):
    """A convolution by :class:`WinogradConv` if the image turns out to be large enough, else by :class:`DirectConv`."""


class DenseOrDirectConv(FusedConv):
    """A :class:`DenseConv` if the windows turn out to cut the image into equal pieces, else a :class:`DirectConv`."""


def is_dense(op: Conv, axes: Sequence[Axis]) -> bool:
    """Whether windows lie in memory one after the other, so that they are the rows of a matrix."""
    hwio = op.kernel_layout == "HWIO"
    return op.group == 1 and tiles_the_image(axes) and (hwio or all(axis.kernel == 1 for axis in axes))


def may_be_dense(op: Conv, axes: Sequence[Axis]) -> bool:
    """Whether :func:`is_dense` depends on sizes that are known only at run time."""
    hwio = op.kernel_layout == "HWIO"
    return op.group == 1 and (hwio or all(a.kernel == 1 for a in axes)) and tiling_conditions(axes) is not None


def sums_may_be_split(axes: Sequence[Axis], channels: int, outputs: int) -> bool:
    """Whether ``gemm`` may add the terms of an output in another order than ``conv``, for single rows."""
    return outputs == 1 or splits_k(math.prod(axis.kernel for axis in axes) * channels, outputs)


def _parts(op: FusedConv, code: Emitter) -> tuple[tuple[Axis, ...], int, int, PackedPointer]:
    """The window, the channels of input and output, and the packed bias."""
    code.require_constants(1, 2)
    axes, channels, outputs = op.window(code.type_of(0), code.type_of(1))
    bias = code.packed("pack_bias", code.raw(2), outputs, literal(1, code.outputs[0].dtype))
    return axes, channels, outputs, bias


@emits(DenseConv, kernels=dense_kernels, parallel_kernels=PARALLEL_KERNELS, in_place=(3,))
def dense_conv(op: FusedConv, code: Emitter) -> tuple[Statement, ...]:
    """The call of a dense layer, one row per window."""
    axes, channels, outputs = op.window(code.type_of(0), code.type_of(1))
    rows, k = (code.outputs[0].shape[0], *outputs_of(axes)), math.prod(axis.kernel for axis in axes) * channels
    transposed = op.kernel_layout == "OIHW"
    return emit_dense(
        code,
        rows,
        k,
        outputs,
        transposed=transposed,
        activation=op.activation,
        skip_zeros=getattr(op, "skip_zeros", False),
    )


@emits(
    DirectConv,
    kernels=("conv/conv.hxx", "elementwise/activations.hxx"),
    parallel_kernels=("conv/parallel_conv.hxx",),
)
def direct_conv(op: FusedConv, code: Emitter) -> Call:
    """``conv`` of each image."""
    axes, channels, outputs, bias = _parts(op, code)
    y = code.outputs[0]
    strip = strip_rows(axes, channels, code.named)
    shape = code.struct("ConvShape", window_members(axes), channels, outputs, op.group, as_size(strip))
    one = literal(1, y.dtype)
    if op.group == 1 and op.kernel_layout == "HWIO":  # packs as pack_conv would; most networks have compiled this one
        terms = math.prod(axis.kernel for axis in axes) * channels
        panels = code.packed("pack_gemm", code.raw(1), terms, outputs, False, one)
    else:
        packed = code.struct("ConvShape", window_members(kernel_only(axes)), channels, outputs, op.group, 1)
        panels = code.packed("pack_conv", code.raw(1), packed if is_open(axes) else shape, op.kernel_layout == "OIHW")
    size = code.named(scratch_size(axes, channels, op.group, strip, y.dtype))
    scratch = code.scratch(y.dtype, (size,), per_thread=True)
    pixels = tile_argument(strip, axes, y.dtype)
    widths = by_register_width(lambda lanes: panel_widths(outputs // op.group, lanes), y.dtype)
    return code.parallel_call(
        f"conv<{pixels}, {widths}>", code.count(y.shape[:1]), shape, code.input(0), panels, bias, code.input(3),
        code.output(0), scratch, epilogue(code, op.activation, y.dtype),
    )  # fmt: skip


@emits(
    DepthwiseConv,
    kernels=("conv/depthwise.hxx", "gemm/gemm.hxx", "elementwise/activations.hxx"),
    parallel_kernels=("conv/parallel_depthwise.hxx",),
)
def depthwise_conv(op: DepthwiseConv, code: Emitter) -> list[Call]:
    """``depthwise`` of each image; with a depth multiplier, of repeated channels."""
    axes, channels, outputs, bias = _parts(op, code)
    y = code.outputs[0]
    batch, times = y.shape[:1], outputs // channels
    taps = math.prod(axis.kernel for axis in axes)
    side, stride = axes[-1].kernel, axes[-1].stride
    square = is_depthwise_square(axes) and outputs * np.dtype(y.dtype).itemsize >= max(tuning.MR)
    pack = "pack_depthwise_panels" if square else "pack_depthwise"
    weights = code.packed(pack, code.raw(1), taps, outputs, op.kernel_layout == "OIHW")
    x: Pointer = code.input(0)
    calls = []
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
        epilogue(code, op.activation, y.dtype),
    ))  # fmt: skip
    return calls


@emits(
    WinogradConv,
    kernels=("conv/winograd.hxx", "elementwise/activations.hxx"),
    parallel_kernels=("conv/parallel_winograd.hxx",),
)
def winograd_conv(op: FusedConv, code: Emitter) -> Call:
    """``winograd`` over the tiles of all images."""
    axes, channels, outputs, bias = _parts(op, code)
    y = code.outputs[0]
    shape = code.struct("WinogradShape", window_members(axes), channels, outputs)
    panels = code.packed("pack_winograd", code.raw(1), channels, outputs, op.kernel_layout == "OIHW")
    scratch = code.scratch(y.dtype, (winograd_scratch_size(channels, outputs),), per_thread=True)
    group = winograd_group(channels, outputs)
    pay = tuning.WINOGRAD_PANEL_PAIRS_MIN_FLOPS
    gemm = gemm_function(code, image_flops(code), (channels, group), few=False, pay=pay)
    tiles = code.count((*y.shape[:1], winograd_tiles(axes)))
    return code.parallel_call(
        "winograd", 0, tiles, 0, outputs, shape, code.input(0), panels, bias,
        code.input(3), code.output(0), scratch, epilogue(code, op.activation, y.dtype), gemm,
    )  # fmt: skip


@emits(
    WinogradOrDirectConv,
    kernels=("conv/winograd.hxx", "conv/conv.hxx", "elementwise/activations.hxx"),
    parallel_kernels=("conv/parallel_winograd.hxx", "conv/parallel_conv.hxx"),
)
def winograd_or_direct_conv(op: WinogradOrDirectConv, code: Emitter) -> tuple[Statement, ...]:
    """The one or the other, by the number of tiles, as :meth:`FusedConv.winograd_kernel` chooses for known sizes."""
    tiles = winograd_tiles(op.axes(code.type_of(0), code.type_of(1)))
    enough = Requirement(tuning.WINOGRAD_MIN_TILES, "<=", tiles)
    return choice([enough], winograd_conv(op, code), direct_conv(op, code))


@emits(
    DenseOrDirectConv,
    kernels=lambda op: ("conv/conv.hxx", *dense_kernels(op)),
    parallel_kernels=("conv/parallel_conv.hxx", *PARALLEL_KERNELS),
)
def dense_or_direct_conv(op: DenseOrDirectConv, code: Emitter) -> tuple[Statement, ...]:
    """The one or the other, as :meth:`FusedConv.kernel` chooses for known sizes."""
    conditions = tiling_conditions(op.axes(code.type_of(0), code.type_of(1)))
    assert conditions is not None
    return choice(conditions, dense_conv(op, code), direct_conv(op, code))


def image_flops(code: Emitter) -> int:
    """Operations per row of the batch, where an open size of the image counts as :data:`tuning.TYPICAL_SIZE`."""
    open_sizes = [dim for dim in code.outputs[0].shape[1:] if isinstance(dim, SymbolicDim)]
    return code.op.flops(code.inputs, code.outputs) * int(tuning.TYPICAL_SIZE ** len(open_sizes))


def is_depthwise_square(axes: Sequence[Axis]) -> bool:
    """Whether ``depthwise_square`` of ``depthwise.hxx`` is compiled for a window."""
    window = {(axis.kernel, axis.stride, axis.dilation) for axis in axes}
    return len(axes) == 2 and window <= {(3, 1, 1), (3, 2, 1), (5, 1, 1), (5, 2, 1)} and len(window) == 1


def winograd_tiles(axes: Sequence[Axis]) -> Dim:
    """Tiles of 2 x 2 outputs that cover an image."""
    return math.prod(ceil_div(axis.out, 2) for axis in axes)


def winograd_group(channels: int, outputs: int) -> int:
    """``WinogradShape::group`` of ``winograd.hxx``: outputs of one product."""
    return (
        outputs // 2
        if outputs % tuning.WINOGRAD_GROUP_OUTPUTS == 0 and channels * outputs >= tuning.WINOGRAD_GROUP_WEIGHTS
        else outputs
    )


def winograd_scratch_size(channels: int, outputs: int) -> int:
    """Elements of scratch memory for a block's transformed images and products."""
    group = winograd_group(channels, outputs)
    places = sum(tuning.WINOGRAD_TILES * 3 // 2 * size + tuning.WINOGRAD_PADDING for size in (channels, group))
    return 16 * places + channels + group + 16


def strip_rows(axes: Sequence[Axis], channels: int, named: Callable[[Dim], Dim]) -> Dim:
    """Output rows of a strip: its input stays in the cache, it has the pixels of a tile, and strips are equal.

    ``named``: :meth:`Emitter.named`.
    """
    d, h, w = volume(axes)
    height, width = named(h.out), named(w.out)
    row = d.kernel * min(h.kernel, h.stride) * min(w.kernel, w.stride) * width * channels
    rows = minimum(maximum(tuning.CONV_STRIP_INPUTS // row, ceil_div(max(tuning.MR.values()), width)), height)
    return named(ceil_div(height, named(ceil_div(height, named(rows)))))


def tile_argument(strip: Dim, axes: Sequence[Axis], dtype: str) -> str:
    """The template argument of ``conv`` for the pixels of a register tile; 0 lets it choose at run time."""
    pixels = strip * axes[-1].out
    if isinstance(pixels, SymbolicDim):
        return "0"
    return by_register_width(lambda lanes: tile_pixels(pixels, lanes, dtype), dtype)


def tile_pixels(pixels: int, lanes: int, dtype: str) -> int:
    """Pixels of a register tile: as many as there are registers for, or fewer if tiles then overlap less."""
    largest = tuning.MR[lanes * np.dtype(dtype).itemsize]
    tiles = math.ceil(pixels / largest)
    return largest if tiles * largest <= 1.05 * pixels else math.ceil(pixels / tiles)


def scratch_size(axes: Sequence[Axis], channels: int, group: int, strip: Dim, dtype: str) -> Dim:
    """Elements of scratch memory of ``conv``: the copy of a padded strip, and the list of runs."""
    d, h, w = volume(axes)
    padded = any(axis.padded for axis in axes)
    copy: Dim = d.kernel * h.under(strip) * w.under(w.out) * channels if padded else 0
    taps = d.kernel * h.kernel * w.kernel
    runs = taps + taps * channels // group // tuning.KC + 1
    return ceil_div(copy, 64) * 64 + runs * 16 // np.dtype(dtype).itemsize
