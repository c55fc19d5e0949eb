"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.conv`."""

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
    by_vector,
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
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.conv import Conv, winograd_tiles


CACHED_INPUTS = 80 * 1024
"""Numbers that the input of one strip of output rows may have: they stay in a second-level cache."""


TILE_ROWS = {64: 12, 32: 6, 16: 6}
"""Pixels that a register tile can have (``tile_rows`` of ``tile.hxx``), by bytes of a register."""


WINOGRAD_PAIRS_PAY = 1 << 23
"""Floating-point operations for a row of the batch from which on ``gemm_pairs`` repays its compilation: in a small
convolutional network it makes the first answer 0.1 s later, and further ones faster by 1 %."""


WINOGRAD_BLOCK = constant("conv/winograd.hxx", "winograd_block")
"""Tiles that are computed together."""


def is_depthwise_square(axes: Sequence[Axis]) -> bool:
    """Whether ``depthwise_square`` of ``depthwise.hxx`` is compiled for a window."""
    window = {(axis.kernel, axis.stride, axis.dilation) for axis in axes}
    return len(axes) == 2 and window <= {(3, 1, 1), (3, 2, 1), (5, 1, 1), (5, 2, 1)} and len(window) == 1


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


@emits(Conv, kernels=_kernels_of_conv, parallel_kernels=_parallel_kernels_of_conv, in_place=_in_place_conv)
def conv(op: Conv, code: Emitter) -> str:
    x, w, y = code.inputs[0], code.inputs[1], code.outputs[0]
    assert x is not None
    assert w is not None
    op.check_constant(code, 1, 2)
    axes, channels, outputs = op._axes(x, w)
    if not op.winograd and op._is_gemm(axes):
        rows, k = (y.shape[0], *outputs_of(axes)), math.prod(axis.kernel for axis in axes) * channels
        transposed = op.kernel_layout == "OIHW"
        return emit_dense(
            code, op, rows, k, outputs, transposed=transposed,
            activation=op.activation, skip_zeros=op.skip_zeros,
        )  # fmt: skip
    bias = code.packed("pack_bias", code.raw(2), outputs, literal(1, y.dtype))
    if op.winograd:
        return _emit_winograd(op, code, axes, channels, outputs, bias)
    if 1 < op.group == channels:
        return _emit_depthwise(op, code, axes, channels, outputs, bias)
    return _emit_direct(op, code, axes, channels, outputs, bias)


def _kernels_of_conv(op: Conv) -> tuple[str, ...]:
    names = ("conv/winograd",) if op.winograd else ("conv/conv", "conv/depthwise", "gemm/gemv")
    sparse = ["gemm/sparse_gemm"] * op.skip_zeros
    return tuple(f"{name}.hxx" for name in (*names, *sparse, "elementwise/activations"))


def _parallel_kernels_of_conv(op: Conv) -> tuple[str, ...]:
    if op.winograd:
        return ("conv/parallel_winograd.hxx",)
    return (
        "gemm/parallel_gemm.hxx",
        "gemm/parallel_gemv.hxx",
        "conv/parallel_conv.hxx",
        "conv/parallel_depthwise.hxx",
    )


def _in_place_conv(op: Conv, *inputs: TensorType | None) -> tuple[int, ...]:
    x, w = inputs[0], inputs[1]
    assert x is not None
    assert w is not None
    return (3,) if not op.winograd and op._is_gemm(op.axes(x, w)) else ()  # others finish pixels twice


def _emit_winograd(op: Conv, code: Emitter, axes: Sequence[Axis], channels: int, outputs: int, bias: str) -> str:
    y = code.outputs[0]
    shape = code.struct("WinogradShape", window_members(axes), channels, outputs)
    panels = code.packed("pack_winograd", code.raw(1), channels, outputs, op.kernel_layout == "OIHW")
    scratch = code.scratch(y.dtype, (winograd_scratch_size(channels, outputs),), per_thread=True)
    group = winograd_group(channels, outputs)
    flops = op.flops(code.inputs, code.outputs)
    gemm = gemm_function(code, flops, (channels, group), few=False, pay=WINOGRAD_PAIRS_PAY)
    tiles = code.count((*y.shape[:1], winograd_tiles(axes)))
    return code.parallel_call(
        "winograd", 0, tiles, 0, outputs, shape, code.input(0), panels, bias,
        code.input(3), code.output(0), scratch, epilogue(code, op.activation, y.dtype), gemm,
    )  # fmt: skip


def _emit_depthwise(op: Conv, code: Emitter, axes: Sequence[Axis], channels: int, outputs: int, bias: str) -> str:
    y = code.outputs[0]
    batch, times = y.shape[:1], outputs // channels
    taps = math.prod(axis.kernel for axis in axes)
    side, stride = axes[-1].kernel, axes[-1].stride
    square = is_depthwise_square(axes) and outputs * np.dtype(y.dtype).itemsize >= max(TILE_ROWS)
    pack = "pack_depthwise_panels" if square else "pack_depthwise"
    weights = code.packed(pack, code.raw(1), taps, outputs, op.kernel_layout == "OIHW")
    x, calls = code.input(0), []
    if times > 1:
        sizes = [axis.size for axis in axes]
        repeated = code.scratch(y.dtype, (*batch, *sizes, outputs))
        calls.append(code.call("repeat_channels", code.count((*batch, *sizes)), channels, times, x, repeated))
        x = code.read_only(repeated)
    few = by_vector(lambda lanes: outputs < lanes, y.dtype)
    calls.append(code.parallel_call(
        f"depthwise_square<{side}, {stride}>" if square else f"depthwise<{few}>",
        code.count(batch), code.struct("Window", *window_members(axes)), outputs, x, weights, bias, code.output(0),
        *([] if square else [code.scratch("int64", (2 * taps,), per_thread=True)]),
        epilogue(code, op.activation, y.dtype),
    ))  # fmt: skip
    return "\n".join(calls)


def _emit_direct(op: Conv, code: Emitter, axes: Sequence[Axis], channels: int, outputs: int, bias: str) -> str:
    y = code.outputs[0]
    strip = strip_rows(axes, channels)
    shape = code.struct("ConvShape", window_members(axes), channels, outputs, op.group, strip)
    one = literal(1, y.dtype)
    if op.group == 1 and op.kernel_layout == "HWIO":  # what pack_conv would do, but most networks have this one
        terms = math.prod(axis.kernel for axis in axes) * channels
        panels = code.packed("pack_gemm", code.raw(1), terms, outputs, False, one)
    else:
        panels = code.packed("pack_conv", code.raw(1), shape, op.kernel_layout == "OIHW")
    scratch = code.scratch(y.dtype, (scratch_size(axes, channels, op.group, strip, y.dtype),), per_thread=True)
    pixels = by_vector(lambda lanes: tile_pixels(strip * axes[-1].out, lanes, y.dtype), y.dtype)
    widths = by_vector(lambda lanes: panel_widths(outputs // op.group, lanes), y.dtype)
    return code.parallel_call(
        f"conv<{pixels}, {widths}>", code.count(y.shape[:1]), shape, code.input(0), panels, bias, code.input(3),
        code.output(0), scratch, epilogue(code, op.activation, y.dtype),
    )  # fmt: skip
