"""Packed sequences: recurrent layers on sequences of several lengths."""

from __future__ import annotations

from typing import Any

from sofie_jit.frontends.pytorch.aten.creation import arange
from sofie_jit.frontends.pytorch.aten.indexing import true_places
from sofie_jit.frontends.pytorch.aten.recurrent import gru_cells, lstm_cells, rnn_cells, stacked
from sofie_jit.frontends.pytorch.aten.registry import AtenCall, aten, of_packed
from sofie_jit.frontends.pytorch.values import Packed, known_number
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import Dim
from sofie_jit.ir.operators.gather import Gather


@aten("_pack_padded_sequence")
def pack_padded_sequence(call: AtenCall, input: Symbol, lengths: Symbol, batch_first: bool) -> tuple[Packed, Packed]:
    """The packed sequence; steps after the end of the longest sequence are dropped."""
    x = input if batch_first else ops.swapaxes(input, 0, 1)
    lengths = ops.cast(lengths, "int64")
    used = ops.less(call.symbol(arange(call, x.shape[1], "int64")), ops.max(lengths, 0))
    (steps,) = true_places(call, used)
    packed = Packed(call.add(Gather(axis=1), x, steps), lengths)
    return packed, packed


def _mask(call: AtenCall, x: Packed) -> Symbol:
    """Whether a step belongs to a sequence: (batch, time)."""
    steps = call.symbol(arange(call, x.padded.shape[1], "int64"))
    return ops.less(ops.expand_dims(steps, 0), ops.expand_dims(x.lengths, 1))


@aten("_pad_packed_sequence")
def pad_packed_sequence(
    call: AtenCall, data: Any, batch_sizes: Any, batch_first: bool, padding_value: Any, total_length: Dim
) -> tuple[Symbol, Symbol]:
    """The padded sequence, of ``total_length`` steps, and the lengths."""
    if not isinstance(data, Packed):
        call.refuse("its data is not a packed sequence that _pack_padded_sequence made")
    y = data.padded
    if padding_value:
        y = ops.where(ops.expand_dims(_mask(call, data), -1), y, float(padding_value))
    if total_length not in (-1, y.shape[1]):
        y = ops.pad(y, [(0, 0), (0, total_length - y.shape[1]), (0, 0)], constant_values=float(padding_value))
    return y if batch_first else ops.swapaxes(y, 0, 1), data.lengths


@of_packed("select")
def select(call: AtenCall, x: Packed, dim: int, index: Any) -> Any:
    """The number of sequences, which is the first batch size."""
    if index != 0:
        call.refuse("batch sizes other than the first are not supported")
    return known_number(x.padded.shape[0]) if not isinstance(x.padded.shape[0], int) else call.symbol(x.padded.shape[0])


def _recurrent(name: str, cells: Any) -> None:
    @aten(f"{name}.data")
    def compute(
        call: AtenCall, data: Any, batch_sizes: Any, hx: Any, params: list[Symbol], has_biases: bool, num_layers: int,
        dropout: float, train: bool, bidirectional: bool,
    ) -> tuple[Any, ...]:  # fmt: skip
        """A recurrent network on a packed sequence."""
        if not isinstance(data, Packed):
            call.refuse("its data is not a packed sequence that _pack_padded_sequence made")
        states = [call.symbol(state) for state in (hx if isinstance(hx, list) else [hx])]
        y, *last = stacked(
            call, cells(call, states), data.padded, states, params, has_biases, num_layers, dropout, train,
            bidirectional, True, _mask(call, data),
        )  # fmt: skip
        return Packed(y, data.lengths), *last


_recurrent("lstm", lstm_cells)
_recurrent("gru", gru_cells)
_recurrent("rnn_tanh", rnn_cells)
_recurrent("rnn_relu", rnn_cells)
