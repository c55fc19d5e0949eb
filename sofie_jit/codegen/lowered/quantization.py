"""C++ calls of QuantizeLinear, DequantizeLinear, MatMulInteger and ConvInteger."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import CPP_TYPES, Call, Pointer, Struct, functor
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.codegen.lowered.matmul import stack_of
from sofie_jit.codegen.lowered.window import window_members
from sofie_jit.ir.dims import Dim, normalize_axis, product
from sofie_jit.ir.operators.geometry import Axis
from sofie_jit.ir.operators.quantization import (
    ConvInteger,
    DequantizeLinear,
    MatMulInteger,
    QuantizeLinear,
    Requantize,
    Scaled,
)

KERNELS = ("elementwise/quantize.hxx",)


def _scale_index(op: Scaled, code: Emitter) -> Struct:
    """The C++ ``ScaleIndex``: where the scale of each element is."""
    x, scale = code.type_of(0), code.type_of(1)
    zero = code.type_of(2) if code.has_input(2) else None
    if op.scale_shape(x, scale, zero) == ():
        return code.struct("ScaleIndex", 1, 1, code.count(x.shape), 1, 0, 0, 0)
    axis = normalize_axis(op.op_type, op.axis, x.rank)
    outer, size, inner = code.count(x.shape[:axis]), code.dim(x.shape[axis]), code.count(x.shape[axis + 1 :])
    if op.block_size:
        return code.struct(
            "ScaleIndex", outer, size, inner, op.block_size, code.count(scale.shape[axis:]), inner, 1
        )  # fmt: skip
    if axis == x.rank - 1:
        return code.struct("ScaleIndex", 1, outer, size, 1, 0, 0, 1)
    return code.struct("ScaleIndex", outer, size, inner, 1, 0, 1, 0)


@emits(QuantizeLinear, kernels=KERNELS)
def quantize(op: QuantizeLinear, code: Emitter) -> Call:
    """``quantize`` over all elements."""
    x, scale, y = (CPP_TYPES[kind.dtype] for kind in (code.type_of(0), code.type_of(1), code.outputs[0]))
    operation = functor("TimesScale" if isinstance(op, Requantize) else "DividedByScale")
    zero = code.input(2, code.outputs[0].dtype)
    return code.call(
        f"quantize<{x}, {scale}, {y}>", _scale_index(op, code), code.input(0), code.input(1), zero, code.output(0),
        operation,
    )  # fmt: skip


@emits(DequantizeLinear, kernels=KERNELS)
def dequantize(op: DequantizeLinear, code: Emitter) -> Call:
    """``dequantize`` over all elements."""
    zero = code.input(2, code.type_of(0).dtype)
    return code.call("dequantize", _scale_index(op, code), code.input(0), code.input(1), zero, code.output(0))


def _zero_point(code: Emitter, index: int, dtype: str, count: Dim) -> Struct:
    """The C++ ``ZeroPoint`` that is input ``index``: one number, or ``count`` numbers."""
    given = code.has_input(index) and code.type_of(index).shape not in ((), (1,))
    return code.struct(f"ZeroPoint<{CPP_TYPES[dtype]}>", code.input(index, dtype), int(given and count != 1))


@emits(MatMulInteger, kernels=("gemm/matmul_integer.hxx",))
def matmul_integer(op: MatMulInteger, code: Emitter) -> Call:
    """``matmul_integer``; B is packed once if it is a weight."""
    a, b, y = code.type_of(0), code.type_of(1), code.outputs[0]
    m, k, n = a.shape[-2], *b.shape[-2:]
    a_zero, b_zero = _zero_point(code, 2, a.dtype, m), _zero_point(code, 3, b.dtype, n)
    per_row = bool(a_zero.members[1])
    is_packed = code.is_constant(1) and (code.is_constant(3) or not code.has_input(3)) and b.rank == 2
    if is_packed and (a.rank == 2 or not per_row):
        panels = code.packed(
            "pack_matmul_integer", code.raw(1), code.raw(3, b.dtype), b_zero.members[1], code.dim(k), code.dim(n),
            dtype="int16",
        )  # fmt: skip
        widened = code.scratch("int16", (*a.shape[:-1], k + k % 2))
        return code.call(
            "matmul_integer", code.count(a.shape[:-1]), code.dim(k), code.dim(n), code.input(0), a_zero, panels,
            widened, code.output(0),
        )  # fmt: skip
    panel, widened = (code.scratch("int16", (size, k + k % 2)) for size in ((n + 31) // 32 * 32, m))
    return code.call(
        "matmul_integer", stack_of(code, a.shape, b.shape, y.shape), code.dim(m), code.dim(k), code.dim(n),
        code.input(0), code.input(1), a_zero, b_zero, panel, widened, code.output(0),
    )  # fmt: skip


@emits(ConvInteger, kernels=("conv/conv_integer.hxx",))
def conv_integer(op: ConvInteger, code: Emitter) -> list[Call]:
    """``conv_integer``; ``depthwise_integer`` if each window has one channel of its own, and weights."""
    x, w = code.type_of(0), code.type_of(1)
    axes, channels, outputs = op.conv.window(x, w)
    c, m, taps = channels // op.group, outputs // op.group, math.prod(axis.kernel for axis in axes)
    step = int(code.has_input(3) and code.type_of(3).shape not in ((), (1,)))
    is_packed = code.is_constant(1) and (code.is_constant(3) or not code.has_input(3))
    kernel = (code.raw(1), code.raw(3, w.dtype), step) if is_packed else (code.input(1), code.input(3, w.dtype), step)
    zero, batch = code.input(2, x.dtype), code.count(x.shape[:1])
    window = code.struct("Window", *window_members(axes))
    if c == m == 1 and is_packed:
        packed = code.packed("pack_depthwise_integer", *kernel, channels, taps, dtype="int16")
        copied = code.scratch("int16", (_pixels_under(axes), -(-channels // 16) * 16))
        return [code.call(
            "depthwise_integer", batch, window, channels, code.input(0), zero, packed, copied, code.output(0)
        )]  # fmt: skip
    sizes, before = (op.group, m, c, taps), []
    if is_packed:
        panels: Pointer = code.packed("pack_conv_integer", *kernel, *sizes, dtype="int16")
    else:
        scratch = code.scratch("int16", (op.group, taps * (c + c % 2), -(-m // 32) * 32))
        before.append(code.call("conv_panels", *kernel, *sizes, scratch))
        panels = code.read_only(scratch)
    copied, offsets = code.scratch("int16", (_pixels_under(axes), c + c % 2)), code.scratch("int64", (taps,))
    return [*before, code.call(
        "conv_integer", batch, window, op.group, c, m, code.input(0), zero, panels, copied, offsets, code.output(0)
    )]  # fmt: skip


def _pixels_under(axes: Sequence[Axis]) -> Dim:
    """Pixels of the padded image that the windows cover."""
    return product(*(axis.under(axis.out) for axis in axes))
