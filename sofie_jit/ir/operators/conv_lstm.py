"""ConvLSTM: an LSTM whose states are images, and whose recurrent product is a convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.activations import Activation, Sigmoid, Tanh
from sofie_jit.ir.operators.geometry import Axis, window_axes
from sofie_jit.ir.operators.operator import (
    ROperator,
    TensorType,
    float_dtype,
    format_shape,
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

    def window(self, x: TensorType, r: TensorType) -> tuple[Axis, ...]:
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
        self.window(x, r)
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
