"""C++ calls of RNN, and the parts that it shares with LSTM and GRU."""

from __future__ import annotations

from sofie_jit.codegen import tuning
from sofie_jit.codegen.emitter import Emitter
from sofie_jit.codegen.expressions import CPP_TYPES, NULL, Argument, Call, Struct
from sofie_jit.codegen.lowered.activations import functor
from sofie_jit.codegen.lowered.emission import emits
from sofie_jit.ir.dims import static_dim
from sofie_jit.ir.operators.rnn import RNN, Recurrent


def scratch_count(units: int) -> int:
    """Elements of scratch memory that a recurrent kernel works in."""
    padded = -(-units // tuning.RECURRENT_UNIT_MULTIPLE) * tuning.RECURRENT_UNIT_MULTIPLE
    states = tuning.RECURRENT_ROWS * tuning.RECURRENT_BUFFERS
    return padded * (states + tuning.RECURRENT_STEPS * tuning.RECURRENT_MAX_GATES)


def layer_sizes(op: Recurrent, code: Emitter) -> tuple[int, int]:
    """Units and inputs, for packing. Raises GraphError if the weights are not constants of the model."""
    code.require_constants(1, 2, 3)
    return op.hidden_size, static_dim(op.op_type, code.type_of(0).shape, 2)


def given_or_null(code: Emitter, index: int) -> Argument:
    """The address of input ``index``, null if it is omitted."""
    return code.input(index) if code.has_input(index) else NULL


def recurrence(op: Recurrent, code: Emitter) -> Struct:
    """The ``Recurrence`` that describes the call."""
    x, y = code.type_of(0), code.outputs[0]
    units, inputs = layer_sizes(op, code)
    count = len(op.states)
    pad = [NULL] * (2 - count)
    return code.struct(
        f"Recurrence<{CPP_TYPES[y.dtype]}>",
        code.count(x.shape[:1]), code.dim(x.shape[1]), inputs, units,
        code.input(0), given_or_null(code, 5 + count + len(op.after_states)),
        [*(given_or_null(code, 5 + i) for i in range(count)), *pad],
        code.output(0), [*(code.output(1 + i) for i in range(count)), *pad],
        code.scratch(y.dtype, (scratch_count(units),)),
        op.direction == "reverse", op.flip_output, op.zero_output_for_mask,
    )  # fmt: skip


@emits(RNN, kernels=("recurrent/simple_rnn.hxx",))
def rnn(op: RNN, code: Emitter) -> Call:
    """``simple_rnn`` over all steps."""
    units, inputs = layer_sizes(op, code)
    dtype = code.outputs[0].dtype
    (f,) = (functor(activation, dtype) for activation in op.activations)
    return code.call(
        "simple_rnn", recurrence(op, code), code.packed("pack_simple_rnn", code.raw(1), units, inputs),
        code.packed("pack_simple_rnn", code.raw(2), units, units),
        code.packed("pack_simple_rnn_bias", code.raw(3), units), f,
    )  # fmt: skip
