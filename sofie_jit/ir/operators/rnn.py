"""RNN, and what it shares with LSTM and GRU: recurrent layers over whole sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sofie_jit.errors import ShapeError
from sofie_jit.ir.operators.activations import Activation, Tanh, functor
from sofie_jit.ir.operators.operator import (
    CPP_TYPES,
    Emitter,
    ROperator,
    Shape,
    TensorType,
    float_dtype,
    format_shape,
    split_count,
    static_dim,
)


def scratch_count(units: int) -> int:
    """Numbers of scratch memory a recurrent kernel works in: ``recurrent_scratch`` of ``rnn.hxx``."""
    return -(-units // 32) * 32 * (48 * 6 + 48 * 4)


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

    def sizes(self, code: Emitter) -> tuple[int, int]:
        """Units and inputs, for packing. Raises GraphError if the weights are not constants of the model."""
        x = code.inputs[0]
        assert x is not None
        self.check_constant(code, 1, 2, 3)
        return self.hidden_size, static_dim(self.op_type, x.shape, 2)

    def recurrence(self, code: Emitter) -> str:
        """The ``Recurrence`` that describes the call."""
        x, y = code.inputs[0], code.outputs[0]
        assert x is not None
        units, inputs = self.sizes(code)

        def given(index: int) -> str:
            present = index < len(code.inputs) and code.inputs[index] is not None
            return code.input(index) if present else "nullptr"

        count = len(self.states)
        pad = ["nullptr"] * (2 - count)
        return code.struct(
            f"Recurrence<{CPP_TYPES[y.dtype]}>",
            code.count(x.shape[:1]), code.dim(x.shape[1]), inputs, units,
            code.input(0), given(5 + count + len(self.after_states)), [*(given(5 + i) for i in range(count)), *pad],
            code.output(0), [*(code.output(1 + i) for i in range(count)), *pad],
            code.scratch(y.dtype, (scratch_count(units),)),
            self.direction == "reverse", self.flip_output, self.zero_output_for_mask,
        )  # fmt: skip


@dataclass(kw_only=True)
class RNN(Recurrent):
    """``H = f(X W' + H R' + B)``; see :class:`Recurrent`. ``activations`` is f, None standing for the identity."""

    activations: Sequence[Activation | None] = (Tanh(),)

    kernels = ("recurrent/simple_rnn.hxx",)

    def emit(self, code: Emitter) -> str:
        units, inputs = self.sizes(code)
        dtype = code.outputs[0].dtype
        (f,) = (functor(activation, dtype) for activation in self.activations)
        return code.call(
            "simple_rnn", self.recurrence(code), code.packed("pack_simple_rnn", code.raw(1), units, inputs),
            code.packed("pack_simple_rnn", code.raw(2), units, units),
            code.packed("pack_simple_rnn_bias", code.raw(3), units), f,
        )  # fmt: skip
