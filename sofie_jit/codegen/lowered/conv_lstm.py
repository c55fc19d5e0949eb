"""C++ calls of ConvLSTM."""

from __future__ import annotations

from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import CPP_TYPES, Call, as_size, literal
from sofie_jit.codegen.lowered.activations import functor
from sofie_jit.codegen.lowered.conv import scratch_size, strip_rows, tile_argument
from sofie_jit.codegen.lowered.dense import panel_widths
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.codegen.lowered.rnn import given_or_null
from sofie_jit.codegen.lowered.window import by_register_width, is_open, kernel_only, window_members
from sofie_jit.ir.dims import product
from sofie_jit.ir.operators.conv_lstm import ConvLSTM
from sofie_jit.ir.operators.geometry import outputs_of


@emits(ConvLSTM, kernels=("recurrent/conv_lstm.hxx",))
def conv_lstm(op: ConvLSTM, code: Emitter) -> Call:
    """``conv_lstm`` over all steps."""
    x, y = code.type_of(0), code.outputs[0]
    code.require_constants(1)
    axes, units = op.window(x, code.type_of(1)), op.hidden_size
    strip, pixels = strip_rows(axes, units, code.named), product(*outputs_of(axes))
    shape = (window_members(axes), units, 4 * units, 1, as_size(strip))
    packed = (window_members(kernel_only(axes)), units, 4 * units, 1, 1) if is_open(axes) else shape
    mask = code.inputs[4] if len(code.inputs) > 4 else None
    recurrence = code.struct(
        f"ConvRecurrence<{CPP_TYPES[y.dtype]}>",
        code.count(x.shape[:1]), code.dim(x.shape[1]), list(shape), code.input(0),
        given_or_null(code, 4), as_size(pixels) if mask and mask.rank > 2 else 1,
        [given_or_null(code, 2), given_or_null(code, 3)],
        code.output(0), [code.output(1), code.output(2)],
        code.scratch(y.dtype, (scratch_size(axes, units, 1, strip, y.dtype),)),
        code.scratch(y.dtype, (6 * pixels * units,)),
        op.direction == "reverse", op.flip_output, op.zero_output_for_mask,
    )  # fmt: skip
    rows = tile_argument(strip, axes, y.dtype)
    widths = by_register_width(lambda lanes: panel_widths(4 * units, lanes), y.dtype)
    f, g = (functor(activation, y.dtype) for activation in op.activations)
    return code.call(
        f"conv_lstm<{rows}, {widths}>", recurrence,
        code.packed("pack_conv", code.raw(1), code.struct("ConvShape", *packed), False),
        code.packed("pack_bias", code.raw(len(code.inputs)), 4 * units, literal(1, y.dtype)), f, g,
    )  # fmt: skip
