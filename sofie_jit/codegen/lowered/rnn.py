"""C++ calls of the operators in :mod:`sofie_jit.ir.operators.rnn`."""

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
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.operators.rnn import Recurrent, RNN


def scratch_count(units: int) -> int:
    """Numbers of scratch memory a recurrent kernel works in: ``recurrent_scratch`` of ``rnn.hxx``."""
    return -(-units // 32) * 32 * (48 * 6 + 48 * 4)


def _sizes_recurrent(op: Recurrent, code: Emitter) -> tuple[int, int]:
    """Units and inputs, for packing. Raises GraphError if the weights are not constants of the model."""
    x = code.inputs[0]
    assert x is not None
    op.check_constant(code, 1, 2, 3)
    return op.hidden_size, static_dim(op.op_type, x.shape, 2)


def _recurrence_recurrent(op: Recurrent, code: Emitter) -> str:
    """The ``Recurrence`` that describes the call."""
    x, y = code.inputs[0], code.outputs[0]
    assert x is not None
    units, inputs = _sizes_recurrent(op, code)

    def given(index: int) -> str:
        present = index < len(code.inputs) and code.inputs[index] is not None
        return code.input(index) if present else "nullptr"

    count = len(op.states)
    pad = ["nullptr"] * (2 - count)
    return code.struct(
        f"Recurrence<{CPP_TYPES[y.dtype]}>",
        code.count(x.shape[:1]), code.dim(x.shape[1]), inputs, units,
        code.input(0), given(5 + count + len(op.after_states)), [*(given(5 + i) for i in range(count)), *pad],
        code.output(0), [*(code.output(1 + i) for i in range(count)), *pad],
        code.scratch(y.dtype, (scratch_count(units),)),
        op.direction == "reverse", op.flip_output, op.zero_output_for_mask,
    )  # fmt: skip


@emits(RNN, kernels=("recurrent/simple_rnn.hxx",))
def rnn(op: RNN, code: Emitter) -> str:
    units, inputs = op.sizes(code)
    dtype = code.outputs[0].dtype
    (f,) = (functor(activation, dtype) for activation in op.activations)
    return code.call(
        "simple_rnn", op.recurrence(code), code.packed("pack_simple_rnn", code.raw(1), units, inputs),
        code.packed("pack_simple_rnn", code.raw(2), units, units),
        code.packed("pack_simple_rnn_bias", code.raw(3), units), f,
    )  # fmt: skip
