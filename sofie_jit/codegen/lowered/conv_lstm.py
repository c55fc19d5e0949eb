"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.conv_lstm`."""

from __future__ import annotations
import math
from collections.abc import Sequence
from dataclasses import dataclass
from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.activations import Activation, Sigmoid, Tanh, functor
from sofie_jit.ir.operators.conv import scratch_size, strip_rows, tile_pixels
from sofie_jit.ir.operators.gemm import panel_widths
from sofie_jit.ir.operators.geometry import Axis, by_vector, window_axes, window_members
from sofie_jit.ir.operators.operator import (
    CPP_TYPES,
    Emitter,
    ROperator,
    TensorType,
    float_dtype,
    format_shape,
    literal,
    static_dims,
)
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.conv_lstm import ConvLSTM


@emits(ConvLSTM, kernels=("recurrent/conv_lstm.hxx",))
def conv_lstm(op: ConvLSTM, code: Emitter) -> str:
    x, r, y = code.inputs[0], code.inputs[1], code.outputs[0]
    assert x is not None
    assert r is not None
    op.check_constant(code, 1)
    axes, units = op._axes(x, r), op.hidden_size
    strip, pixels = strip_rows(axes, units), math.prod(axis.out for axis in axes)
    shape = (window_members(axes), units, 4 * units, 1, strip)
    mask = code.inputs[4] if len(code.inputs) > 4 else None

    def given(index: int) -> str:
        present = index < len(code.inputs) and code.inputs[index] is not None
        return code.input(index) if present else "nullptr"

    recurrence = code.struct(
        f"ConvRecurrence<{CPP_TYPES[y.dtype]}>",
        code.count(x.shape[:1]), code.dim(x.shape[1]), list(shape), code.input(0),
        given(4), pixels if mask and mask.rank > 2 else 1, [given(2), given(3)],
        code.output(0), [code.output(1), code.output(2)],
        code.scratch(y.dtype, (scratch_size(axes, units, 1, strip, y.dtype),)),
        code.scratch(y.dtype, (6 * pixels * units,)),
        op.direction == "reverse", op.flip_output, op.zero_output_for_mask,
    )  # fmt: skip
    rows = by_vector(lambda lanes: tile_pixels(strip * axes[-1].out, lanes, y.dtype), y.dtype)
    widths = by_vector(lambda lanes: panel_widths(4 * units, lanes), y.dtype)
    f, g = (functor(activation, y.dtype) for activation in op.activations)
    return code.call(
        f"conv_lstm<{rows}, {widths}>", recurrence,
        code.packed("pack_conv", code.raw(1), code.struct("ConvShape", *shape), False),
        code.packed("pack_bias", code.raw(len(code.inputs)), 4 * units, literal(1, y.dtype)), f, g,
    )  # fmt: skip
