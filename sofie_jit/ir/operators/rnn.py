"""RNN, and the base class that it shares with LSTM and GRU: recurrent layers over whole sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol

import numpy as np

from sofie_jit.errors import ShapeError
from sofie_jit.ir.dims import Shape, format_shape, split_count
from sofie_jit.ir.operators.activations import Activation, Tanh, activated
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.types import TensorType, float_dtype
from sofie_jit.records import dataclass


class Scanned(Protocol):
    """The attributes that the loop over time needs of a recurrent operator."""

    direction: str
    flip_output: bool
    zero_output_for_mask: bool


def scan(
    op: Scanned,
    steps: int,
    states: list[np.ndarray],
    step: Callable[[int, list[np.ndarray]], list[np.ndarray]],
    mask: np.ndarray | None,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Y (batch, time, ...) and the last states, from the states (batch, ...) and the function of a single step.

    ``step(t, states)`` gives the states after step t, of which the first is the output.
    """
    y = np.empty((len(states[0]), steps, *states[0].shape[1:]), states[0].dtype)
    output = np.zeros_like(states[0])
    for t in range(steps) if op.direction == "forward" else reversed(range(steps)):
        new = step(t, states)
        if mask is None:
            states, output = new, new[0]
        else:
            kept = mask[:, t].reshape(*mask[:, t].shape, *[1] * (output.ndim - mask.ndim + 1))
            states = [np.where(kept, after, before) for after, before in zip(new, states, strict=True)]
            output = np.where(kept, new[0], np.zeros_like(output) if op.zero_output_for_mask else output)
        y[:, steps - 1 - t if op.flip_output else t] = output
    return y, states


@dataclass(kw_only=True)
class Recurrent(ROperator):
    """Base of RNN, LSTM and GRU, with ONNX's inputs, outputs and order of gates for its ``layout=1``.

    Inputs: X (batch, time, inputs); the weights W (1, gates * hidden_size, inputs), R (1, gates * hidden_size,
    hidden_size) and, optionally, B (1, 2 * gates * hidden_size); sequence_lens, which must be omitted; the initial
    state(s) (batch, 1, hidden_size). Beyond ONNX, the last input may be a mask, bool (batch, time). Where it is false,
    the step is skipped: the states stay, and Y repeats its value of the step before (zero at first).

    Outputs: Y (batch, time, 1, hidden_size), and the state(s) after the last step, (batch, 1, hidden_size). An output
    named '' is not computed.
    """

    hidden_size: int
    direction: str = "forward"
    """``forward``, or ``reverse``: from the last step to the first, with Y still in the order of X."""
    layout: int = 1
    flip_output: bool = False
    """Beyond ONNX: Y is in the reverse order of X."""
    zero_output_for_mask: bool = False
    """Beyond ONNX: Y is zero at skipped steps."""
    activations: Sequence[Activation | None]

    gates: ClassVar[int] = 1
    states: ClassVar[tuple[str, ...]] = ("initial_h",)
    after_states: ClassVar[tuple[str, ...]] = ()
    """ONNX's inputs after the initial states; none is supported."""

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
                raise ShapeError(f"{name}: the input {label} is not supported; a mask can end sequences early")
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

    def evaluate(
        self,
        x: np.ndarray,
        w: np.ndarray,
        r: np.ndarray,
        b: np.ndarray | None = None,
        sequence_lens: None = None,
        *others: np.ndarray | None,
    ) -> tuple[np.ndarray, ...]:
        batch, time, _ = x.shape
        count, size = len(self.states), self.gates * self.hidden_size
        bias = np.zeros(2 * size, x.dtype) if b is None else b[0]
        projected = x @ w[0].T + bias[:size]
        initial = (*others, *[None] * count)[:count]
        states = [np.zeros((batch, self.hidden_size), x.dtype) if h is None else h[:, 0] for h in initial]
        mask = others[-1] if len(others) > count + len(self.after_states) else None

        def step(t: int, states: list[np.ndarray]) -> list[np.ndarray]:
            return self._step(projected[:, t], states, r[0], bias[size:])

        y, states = scan(self, time, states, step, mask)
        return y[:, :, None], *(state[:, None] for state in states)

    def _step(self, x: np.ndarray, states: list[np.ndarray], r: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
        """The states after a step.

        ``x``: the gates' parts from the input, (batch, gates * hidden_size); ``bias``: that of the recurrent product.
        """
        raise NotImplementedError(f"{self.op_type}.evaluate")

    def flops(self, inputs: Sequence[TensorType | None], outputs: Sequence[TensorType]) -> int:
        x = inputs[0]
        assert x is not None
        steps, features = (split_count((d,))[0] for d in x.shape[1:])
        return 2 * steps * self.gates * self.hidden_size * (features + self.hidden_size)


@dataclass(kw_only=True)
class RNN(Recurrent):
    """``H = f(X W' + H R' + B)``; see :class:`Recurrent`. ``activations`` is f; None stands for the identity.

    >>> x, w, r = np.array([[[1.0], [2.0]]]), np.array([[[1.0]]]), np.array([[[10.0]]])
    >>> y, h = RNN(hidden_size=1, activations=[None]).evaluate(x, w, r)
    >>> print(y.ravel(), h.ravel())
    [ 1. 12.] [12.]
    """

    activations: Sequence[Activation | None] = (Tanh(),)

    def _step(self, x: np.ndarray, states: list[np.ndarray], r: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
        return [activated(self.activations[0], x + states[0] @ r.T + bias)]
