"""ConvLSTM1D to ConvLSTM3D."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sofie_jit.frontends.keras.activation import functor
from sofie_jit.frontends.keras.layers.recurrent import States, Walk, layer_weights, through_time
from sofie_jit.frontends.keras.layers.registry import LayerCall, layer
from sofie_jit.frontends.keras.layers.spatial import channels, layout, one_of, per_axis
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.conv_lstm import ConvLSTM
from sofie_jit.ir.operators.operator import product


@layer("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", weights=layer_weights)
def conv_lstm(
    call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None, flip: bool = False
) -> Any:
    """LSTM over a sequence of images, with convolutions for its matrix products."""
    config, count, filters = call.config, int(call.layer.class_name[-2]), call.config["filters"]
    if x.rank != count + 3:
        call.refuse(f"its input has shape {x.shape}; it needs (batch, time, {count} spatial axes and channels)")
    first = layout(call) == "NCHW"
    sequence = _channels_last(x, 2) if first else x
    batch, time, *image = sequence.shape
    if not all(isinstance(dim, int) for dim in image):
        call.refuse(f"its input has shape {x.shape}; all but batch and time must be known, as Keras demands")
    gates = _input_gates(call, ops.reshape(sequence, (product(batch, time), *image)))
    gates = ops.reshape(gates, (batch, time, *gates.shape[1:]))
    space = gates.shape[2:-1]
    if mask is not None and mask.rank > 2 and (first or mask.shape[2:] != space):
        call.refuse(
            f"its mask has shape {mask.shape}; it needs one of steps (batch, time), or of pixels as they come out, "
            f"(batch, time, {', '.join(map(str, space))}), with data_format='channels_last'"
        )
    recurrent = call.weight("cell/recurrent_kernel", (*per_axis(call, "kernel_size", count), filters, 4 * filters))
    functions = functor(call, config["recurrent_activation"]), functor(call, config["activation"])

    def run(states: Sequence[Symbol | None], walk: Walk) -> tuple[Symbol, list[Any]]:
        operator = ConvLSTM(
            hidden_size=filters,
            direction="reverse" if walk.backwards else "forward",
            flip_output=walk.flipped,
            zero_output_for_mask=walk.zero_masked,
            activations=functions,
        )
        given = [state if state is None or not first else _channels_last(state, 1) for state in states]
        y, *last = call.add_all(operator, gates, call.constant(recurrent, "recurrent_kernel"), *given, walk.mask)
        return (_channels_first(y, 2), [_channels_first(state, 1) for state in last]) if first else (y, last)

    shape = (batch, filters, *space) if first else (batch, *space, filters)
    return through_time(call, run, [shape, shape], initial_state, mask, flip)


def _input_gates(call: LayerCall, images: Symbol) -> Symbol:
    """What all images give to the four gates, the bias added."""
    count, columns = images.rank - 2, 4 * call.config["filters"]
    shape = (*per_axis(call, "kernel_size", count), channels(call, images, "NHWC"), columns)
    operands = [call.constant(call.weight("cell/kernel", shape), "kernel")]
    if call.config["use_bias"]:
        operands.append(call.constant(call.weight("cell/bias", (columns,)), "bias"))
    operator = Conv(
        strides=per_axis(call, "strides", count),
        dilations=per_axis(call, "dilation_rate", count),
        auto_pad=one_of(call, "padding", {"valid": "VALID", "same": "SAME_UPPER"}),
        layout="NHWC",
        kernel_layout="HWIO",
    )
    return call.add(operator, images, *operands)


def _channels_last(x: Symbol, axis: int) -> Symbol:
    return ops.moveaxis(x, axis, -1)


def _channels_first(x: Symbol, axis: int) -> Symbol:
    return ops.moveaxis(x, -1, axis)
