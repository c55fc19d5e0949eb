"""ConvLSTM: an LSTM whose states are images, and whose recurrent product is a convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.activations import Activation, Sigmoid, Tanh, functor
from sofie_jit.ir.operators.conv import scratch_size, strip_rows, tile_pixels
from sofie_jit.ir.operators.gemm import panel_widths
from sofie_jit.ir.operators.geometry import Axis, by_register_width, window_axes, window_members
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


@dataclass(kw_only=True)
class ConvLSTM(ROperator):
    """Like :class:`LSTM`, an operator beyond ONNX, for channels-last images of one to three dimensions.

    Inputs: X (batch, time, spatial axes, 4 * hidden_size), what a Conv makes of the sequence, the gates in the order
    i, f, c, o; the kernel R, a weight, (spatial axes, hidden_size, 4 * hidden_size), with which the state H is
    convolved, zeros around it; optionally the initial states H and C (batch, spatial axes, hidden_size), and a mask,
    bool (batch, time) or (batch, time, spatial axes): where it is false, the states stay, and Y repeats what it had a
    step before (zero at first). ``activations`` are f of the gates i, f, o, and g of c and of the state C; None stands
    for the identity.

    Outputs: Y (batch, time, spatial axes, hidden_size), and the states H and C after the last step. A name '' leaves
    one out.
    """

    hidden_size: int
    direction: str = "forward"
    """``forward``, or ``reverse``: from the last step to the first, Y still in the order of X."""
    flip_output: bool = False
    """Y is in the reverse order of X."""
    zero_output_for_mask: bool = False
    """Y is zero where it is masked."""
    activations: Sequence[Activation | None] = (Sigmoid(), Tanh())

    kernels = ("recurrent/conv_lstm.hxx",)

    def _axes(self, x: TensorType, r: TensorType) -> tuple[Axis, ...]:
        """The window of the recurrent convolution."""
        sizes = static_dims("ConvLSTM", x.shape[2:])
        kernel = static_dims("ConvLSTM", r.shape, "kernel")
        return window_axes("ConvLSTM", sizes[:-1], kernel[:-2], None, None, None, "SAME_UPPER")

    def infer(
        self,
        x: TensorType,
        r: TensorType,
        h: TensorType | None = None,
        c: TensorType | None = None,
        mask: TensorType | None = None,
    ) -> tuple[TensorType, ...]:
        units = self.hidden_size
        if self.direction not in ("forward", "reverse"):
            raise ShapeError(f"ConvLSTM: direction must be 'forward' or 'reverse', got {self.direction!r}")
        if not 4 <= x.rank <= 6 or x.shape[-1] != 4 * units:
            raise ShapeError(
                f"ConvLSTM of hidden_size {units} needs X (batch, time, one to three spatial axes, {4 * units}), got "
                f"{format_shape(x.shape)}"
            )
        if r.rank != x.rank - 1 or r.shape[-2:] != (units, 4 * units):
            raise ShapeError(
                f"ConvLSTM of hidden_size {units} on X {format_shape(x.shape)} needs R (spatial axes, {units}, "
                f"{4 * units}), got {format_shape(r.shape)}"
            )
        float_dtype("ConvLSTM", x, r, h, c)
        self._axes(x, r)
        state = (*x.shape[:1], *x.shape[2:-1], units)
        for label, given in (("H", h), ("C", c)):
            if given is not None and given.shape != state:
                raise ShapeError(f"ConvLSTM: the state {label} must be {format_shape(state)}, got {given}")
        masks = [TensorType("bool", shape) for shape in (x.shape[:2], x.shape[:-1])]
        if mask is not None and mask not in masks:
            raise ShapeError(f"ConvLSTM: the mask must be {masks[0]} or {masks[1]}, got {mask}")
        return TensorType(x.dtype, (*x.shape[:-1], units)), *[TensorType(x.dtype, state)] * 2

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        x, r = inputs[0], inputs[1]
        assert x is not None
        assert r is not None
        steps = x.shape[1] if isinstance(x.shape[1], int) else 1
        return 2 * steps * math.prod(static_dims("ConvLSTM", (*r.shape, *x.shape[2:-1])))

    def emit(self, code: Emitter) -> str:
        x, r, y = code.inputs[0], code.inputs[1], code.outputs[0]
        assert x is not None
        assert r is not None
        self.check_constant(code, 1)
        axes, units = self._axes(x, r), self.hidden_size
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
            self.direction == "reverse", self.flip_output, self.zero_output_for_mask,
        )  # fmt: skip
        rows = by_register_width(lambda lanes: tile_pixels(strip * axes[-1].out, lanes, y.dtype), y.dtype)
        widths = by_register_width(lambda lanes: panel_widths(4 * units, lanes), y.dtype)
        f, g = (functor(activation, y.dtype) for activation in self.activations)
        return code.call(
            f"conv_lstm<{rows}, {widths}>", recurrence,
            code.packed("pack_conv", code.raw(1), code.struct("ConvShape", *shape), False),
            code.packed("pack_bias", code.raw(len(code.inputs)), 4 * units, literal(1, y.dtype)), f, g,
        )  # fmt: skip
