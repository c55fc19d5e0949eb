"""ConvLSTM1D to ConvLSTM3D: recurrent layers on sequences of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.activation import elementwise_activation
from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.convolution import CONVOLUTION, RENAMED
from sofie_jit.frontends.keras.layers.recurrent import layer_weights
from sofie_jit.frontends.keras.layers.recurrent_scan import (
    GATED,
    HARD_SIGMOID,
    SEQUENCE,
    ScanOptions,
    States,
    mask_of_sequence,
    scan,
)
from sofie_jit.frontends.keras.layers.registry import layer
from sofie_jit.frontends.keras.layers.spatial import channels, layout, per_axis, spatial_rank, window_options
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import FIX_SIZES, product
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.conv_lstm import ConvLSTM


@layer(
    "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D",
    weights=layer_weights, mask=mask_of_sequence, renamed=RENAMED, keras_2_defaults=HARD_SIGMOID,
    defaults={**SEQUENCE, **CONVOLUTION, **GATED, "strides": 1, "dilation_rate": 1},
)  # fmt: skip
def conv_lstm(
    call: LayerCall, x: Symbol, initial_state: States = None, mask: Symbol | None = None, flip: bool = False
) -> Any:
    """LSTM over a sequence of images, with convolutions instead of matrix products."""
    config, count, filters = call.config, spatial_rank(call.layer.class_name), call.config["filters"]
    if x.rank != count + 3:
        call.refuse(f"its input has shape {x.shape}; expected (batch, time, {count} spatial axes and channels)")
    first = layout(call) == "NCHW"
    sequence = _channels_last(x, 2) if first else x
    batch, time, *image = sequence.shape
    if not all(isinstance(dim, int) for dim in image):
        call.refuse(f"its input has shape {x.shape}; all sizes but batch and time must be known", FIX_SIZES)
    gates = _input_gates(call, ops.reshape(sequence, (product(batch, time), *image)))
    gates = ops.reshape(gates, (batch, time, *gates.shape[1:]))
    space = gates.shape[2:-1]
    if mask is not None and mask.rank > 2 and (first or mask.shape[2:] != space):
        call.refuse(
            f"its mask has shape {mask.shape}; expected one of steps (batch, time), or one of output pixels, "
            f"(batch, time, {', '.join(map(str, space))}), with data_format='channels_last'"
        )
    recurrent = _recurrent_kernel(call, per_axis(call, "kernel_size", count))
    functions = tuple(elementwise_activation(call, config[name]) for name in ("recurrent_activation", "activation"))

    def run(states: Sequence[Symbol | None], options: ScanOptions) -> tuple[Symbol, list[Any]]:
        operator = ConvLSTM(
            hidden_size=filters,
            direction="reverse" if options.backwards else "forward",
            flip_output=options.flipped,
            zero_output_for_mask=options.zero_masked,
            activations=functions,
        )
        given = [state if state is None or not first else _channels_last(state, 1) for state in states]
        y, *last = call.add_all(operator, gates, call.constant(recurrent, "recurrent_kernel"), *given, options.mask)
        return (_channels_first(y, 2), [_channels_first(state, 1) for state in last]) if first else (y, last)

    shape = (batch, filters, *space) if first else (batch, *space, filters)
    return scan(call, run, [shape, shape], initial_state, mask, flip)


def _recurrent_kernel(call: LayerCall, size: list[int]) -> np.ndarray:
    """The kernel that is applied to the state, whose convolution always has ``padding="same"``."""
    filters = call.config["filters"]
    kernel = call.weight("cell/recurrent_kernel", (*size, filters, 4 * filters))
    if call.layer.backend != "theano":
        return kernel
    # Theano pads more before than after the image; that is what a kernel of odd size does whose last element is 0
    more = [(0, (k + 1) % 2) for k in size]
    return np.pad(kernel, [*more, (0, 0), (0, 0)])


def _input_gates(call: LayerCall, images: Symbol) -> Symbol:
    """The contribution of all images to the four gates, with the bias added."""
    count, columns = images.rank - 2, 4 * call.config["filters"]
    shape = (*per_axis(call, "kernel_size", count), channels(call, images, "NHWC"), columns)
    operands = [call.constant(call.weight("cell/kernel", shape), "kernel")]
    if call.config["use_bias"]:
        operands.append(call.constant(call.weight("cell/bias", (columns,)), "bias"))
    dilations = per_axis(call, "dilation_rate", count)
    operator = Conv(
        strides=per_axis(call, "strides", count),
        dilations=dilations,
        layout="NHWC",
        kernel_layout="HWIO",
        **window_options(call, shape[:count], dilations),
    )
    return call.add(operator, images, *operands)


def _channels_last(x: Symbol, axis: int) -> Symbol:
    return ops.moveaxis(x, axis, -1)


def _channels_first(x: Symbol, axis: int) -> Symbol:
    return ops.moveaxis(x, -1, axis)
