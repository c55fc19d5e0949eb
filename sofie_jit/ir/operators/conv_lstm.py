"""ConvLSTM: an LSTM whose states are images and whose recurrent product is a convolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import format_shape, split_count, static_dims
from sofie_jit.ir.operators.activations import Activation, Sigmoid, Tanh, activated
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.geometry import Axis, window_axes, window_requirements
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.operators.rnn import scan
from sofie_jit.ir.requirements import Requirement
from sofie_jit.ir.types import TensorType, float_dtype
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class ConvLSTM(ROperator):
    """Like :class:`LSTM` for channels-last images of one to three dimensions; not in ONNX.

    Inputs: X (batch, time, spatial axes, 4 * hidden_size), the output of a Conv on the sequence, with the gates in the
    order i, f, c, o; the kernel R, a weight, (spatial axes, hidden_size, 4 * hidden_size), with which the state H is
    convolved, padded by zeros; optionally the initial states H and C (batch, spatial axes, hidden_size), and a mask,
    bool (batch, time) or (batch, time, spatial axes). Where the mask is false, the states stay, and Y repeats its value
    of the step before (zero at first). ``activations`` are f of the gates i, f, o, and g of c and of the state C; None
    stands for the identity.

    Outputs: Y (batch, time, spatial axes, hidden_size), and the states H and C after the last step. An output named ''
    is not computed.

    >>> x, r = np.array([[[[0.0, 0.0, 4.0, 0.0]]]]), np.zeros((1, 1, 4))
    >>> y, h, c = ConvLSTM(hidden_size=1, activations=[Sigmoid(), None]).evaluate(x, r)
    >>> print(y.ravel(), h.ravel(), c.ravel())
    [1.] [1.] [2.]
    """

    hidden_size: int
    direction: str = "forward"
    """``forward``, or ``reverse``: from the last step to the first, with Y still in the order of X."""
    flip_output: bool = False
    """Y is in the reverse order of X."""
    zero_output_for_mask: bool = False
    """Y is zero where the mask is false."""
    activations: Sequence[Activation | None] = (Sigmoid(), Tanh())

    def window(self, x: TensorType, r: TensorType) -> tuple[Axis, ...]:
        """The window of the recurrent convolution."""
        kernel = static_dims("ConvLSTM", r.shape, "kernel")
        return window_axes("ConvLSTM", x.shape[2:-1], kernel[:-2], None, None, None, "SAME_UPPER")

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

    def requirements(self, x: TensorType, r: TensorType, *others: TensorType | None) -> list[Requirement]:
        return window_requirements(self.window(x, r))

    def evaluate(
        self,
        x: np.ndarray,
        r: np.ndarray,
        h: np.ndarray | None = None,
        c: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, ...]:
        shape = (len(x), *x.shape[2:-1], self.hidden_size)
        states = [np.zeros(shape, x.dtype) if state is None else state for state in (h, c)]
        convolution = Conv(auto_pad="SAME_UPPER", layout="NHWC", kernel_layout="HWIO")
        gate, cell = self.activations

        def step(t: int, states: list[np.ndarray]) -> list[np.ndarray]:
            h, c = states
            parts = np.split(x[:, t] + convolution.evaluate(h, r), 4, axis=-1)
            i, f, o = (activated(gate, parts[index]) for index in (0, 1, 3))
            c = f * c + i * activated(cell, parts[2])
            return [o * activated(cell, c), c]

        y, (h, c) = scan(self, x.shape[1], states, step, mask)
        return y, h, c

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        x, r = inputs[0], inputs[1]
        assert x is not None
        assert r is not None
        return 2 * split_count((*r.shape, *x.shape[1:-1]))[0]
