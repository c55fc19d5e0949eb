"""RNN, and what it shares with LSTM and GRU: recurrent layers over whole sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.activations import Activation, Tanh
from sofie_jit.ir.operators.operator import (
    ROperator,
    Shape,
    TensorType,
    float_dtype,
    format_shape,
    split_count,
)


@dataclass(kw_only=True)
class Recurrent(ROperator):
    """Base of RNN, LSTM and GRU, with ONNX's inputs, outputs and order of gates, in its ``layout=1``.

    Inputs: X (batch, time, inputs); the weights W (1, gates * hidden_size, inputs), R (1, gates * hidden_size,
    hidden_size) and, optionally, B (1, 2 * gates * hidden_size); sequence_lens, which must be omitted; the initial
    state(s) (batch, 1, hidden_size). Beyond ONNX, the last input may be a mask, bool (batch, time): where it is false,
    the step is skipped, the states stay, and Y repeats what it had a step before (zero at first).

    Outputs: Y (batch, time, 1, hidden_size), and the state(s) after the last step, (batch, 1, hidden_size). A name ''
    leaves one out.
    """

    hidden_size: int
    direction: str = "forward"
    """``forward``, or ``reverse``: from the last step to the first, Y still in the order of X."""
    layout: int = 1
    flip_output: bool = False
    """Beyond ONNX: Y is in the reverse order of X."""
    zero_output_for_mask: bool = False
    """Beyond ONNX: Y is zero at skipped steps."""

    gates: ClassVar[int] = 1
    states: ClassVar[tuple[str, ...]] = ("initial_h",)
    after_states: ClassVar[tuple[str, ...]] = ()
    """ONNX inputs behind the initial states; none is translated."""

    def infer(
        self,
        x: TensorType,
        w: TensorType,
        r: TensorType,
        b: TensorType | None = None,
        sequence_lens: TensorType | None = None,
        *others: TensorType | None,
    ) -> tuple[TensorType, ...]:
        name, units, count = self.op_type, self.hidden_size, len(self.states)
        if self.direction not in ("forward", "reverse"):
            raise ShapeError(
                f"{name}: direction must be 'forward' or 'reverse', got {self.direction!r} (bidirectional: two layers)"
            )
        if self.layout != 1:
            raise ShapeError(f"{name} needs layout 1, batch first, got {self.layout}")
        others = (*others, *[None] * (count + len(self.after_states) + 1 - len(others)))
        initial, unused, mask = others[:count], others[count:-1], others[-1]
        for label, given in (("sequence_lens", sequence_lens), *zip(self.after_states, unused, strict=True)):
            if given is not None:
                raise ShapeError(f"{name}: the input {label} is not translated; sequences end early by a mask")
        if x.rank != 3:
            raise ShapeError(f"{name} needs X (batch, time, inputs), got {format_shape(x.shape)}")
        batch, time, inputs = x.shape
        expected: list[tuple[str, TensorType | None, Shape]] = [
            ("W", w, (1, self.gates * units, inputs)),
            ("R", r, (1, self.gates * units, units)),
            ("B", b, (1, 2 * self.gates * units)),
            *((label, given, (batch, 1, units)) for label, given in zip(self.states, initial, strict=True)),
        ]
        for label, given, shape in expected:
            if given is not None and given.shape != shape:
                raise ShapeError(
                    f"{name} of hidden_size {units} on X {format_shape(x.shape)} needs {label} {format_shape(shape)}, "
                    f"got {format_shape(given.shape)}"
                )
        float_dtype(name, x, *(given for _, given, _ in expected))
        if mask is not None and mask != TensorType("bool", (batch, time)):
            raise ShapeError(f"{name}: the mask must be bool {format_shape((batch, time))}, got {mask}")
        state = TensorType(x.dtype, (batch, 1, units))
        return TensorType(x.dtype, (batch, time, 1, units)), *[state] * count

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        x = inputs[0]
        assert x is not None
        steps, features = (split_count((d,))[0] for d in x.shape[1:])
        return 2 * steps * self.gates * self.hidden_size * (features + self.hidden_size)


@dataclass(kw_only=True)
class RNN(Recurrent):
    """``H = f(X W' + H R' + B)``; see :class:`Recurrent`. ``activations`` is f, None standing for the identity."""

    activations: Sequence[Activation | None] = (Tanh(),)
