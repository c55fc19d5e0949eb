"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.conv_transpose`."""

from __future__ import annotations
import math
from collections.abc import Sequence
from dataclasses import dataclass
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.activations import Activation, epilogue
from sofie_jit.ir.operators.geometry import Axis, by_vector, image_axes, image_shape, outputs_of, volume, window_members
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
from sofie_jit.ir.operators.conv_transpose import ConvTranspose


PRODUCTS_AT_ONCE = 256 * 1024
"""Numbers that the products of the images computed together may have: they stay in a second-level cache."""


def list_size(axes: Sequence[Axis]) -> int:
    """``conv_transpose_list`` of ``conv_transpose.hxx``."""
    d, h, w = volume(axes)
    return w.size + 1 + w.out * w.kernel + d.kernel * h.kernel


@emits(ConvTranspose, kernels=("conv/conv_transpose.hxx", "elementwise/activations.hxx"))
def conv_transpose(op: ConvTranspose, code: Emitter) -> str:
    x, w, y = code.inputs[0], code.inputs[1], code.outputs[0]
    assert x is not None
    assert w is not None
    op.check_constant(code, 1, 2)
    axes, channels, outputs = op._axes(x, w)
    taps = math.prod(axis.kernel for axis in axes)
    products = math.prod(outputs_of(axes)) * taps * outputs
    at_once = max(PRODUCTS_AT_ONCE // products, 1)
    one, absent = literal(1, y.dtype), len(op.inputs)
    return code.call(
        f"conv_transpose<{by_vector(lambda lanes: outputs < lanes, y.dtype)}>",
        code.count(y.shape[:1]), at_once, code.struct("Window", *window_members(axes)), channels, outputs,
        code.input(0),
        code.packed("pack_conv_transpose", code.raw(1), taps, channels, outputs, op.kernel_layout == "IOHW"),
        code.packed("pack_bias", code.raw(absent), taps * outputs, one),
        code.packed("pack_bias", code.raw(2), outputs, one),
        code.output(0), code.scratch(y.dtype, (at_once * products,)),
        code.scratch("int64", (list_size(axes),)), epilogue(code, op.activation, y.dtype),
    )  # fmt: skip
