"""RNN, GRU, LSTM and ConvLSTM: nodes of the same names, or a Scan where ONNX lacks an option."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sofie_jit.export.onnx.graph import GraphWriter
from sofie_jit.export.onnx.nodes.registry import rule, rule_of
from sofie_jit.export.onnx.nodes.scan import Step, scan
from sofie_jit.ir.dims import Dim, static_dims
from sofie_jit.ir.operators.activations import Activation
from sofie_jit.ir.operators.conv_lstm import ConvLSTM
from sofie_jit.ir.operators.gru import GRU
from sofie_jit.ir.operators.rnn import Recurrent
from sofie_jit.ir.types import TensorType

NAMES = {
    "Relu": (), "Tanh": (), "Sigmoid": (), "Softsign": (), "Softplus": (),
    "LeakyRelu": ("alpha",), "HardSigmoid": ("alpha", "beta"), "Elu": ("alpha",),
}  # fmt: skip
"""Activations of ONNX's recurrent operators, and their parameters."""


@rule("RNN", "GRU", "LSTM")
def recurrent(
    g: GraphWriter, op: Recurrent, x: str, w: str, r: str, b: str = "", lengths: str = "", *others: str
) -> Any:
    count = len(op.states)
    others = (*others, *[""] * (count + len(op.after_states) + 1 - len(others)))
    initial, mask = others[:count], others[-1]
    if mask or any(activation is None or activation.op_type not in NAMES for activation in op.activations):
        return scanned(g, op, x, w, r, b, initial, mask)
    functions = _per_gate(op)
    alpha = [_parameter(f, "alpha") for f in functions]
    beta = [_parameter(f, "beta") for f in functions]
    attributes: dict[str, Any] = {
        "hidden_size": op.hidden_size,
        "direction": op.direction,
        "activations": [f.op_type for f in functions],
        "activation_alpha": alpha if any(alpha) else None,
        "activation_beta": beta if any(beta) else None,
    }
    if isinstance(op, GRU):
        attributes["linear_before_reset"] = op.linear_before_reset
    states = [state and g.transpose(state, [1, 0, 2]) for state in initial]
    steps_first = g.transpose(x, [1, 0, 2])
    y, *after = g.several(1 + count, op.op_type, steps_first, w, r, b, "", *states, **attributes)
    if op.flip_output:
        y = reversed_along(g, y, 0)
    return g.transpose(y, [2, 0, 1, 3]), *(g.transpose(state, [1, 0, 2]) for state in after)


def _per_gate(op: Recurrent) -> list[Activation]:
    """ONNX's list of activations: one for all gates but the last, then those of the last gate and the state."""
    return [f for f in op.activations if f is not None]


def _parameter(f: Activation, name: str) -> float:
    return float(getattr(f, name)) if name in NAMES[f.op_type] else 0.0


def reversed_along(g: GraphWriter, x: str, axis: int) -> str:
    """``x`` with the elements along ``axis`` in reverse order."""
    return g("Slice", x, *(g.integers([value]) for value in (-1, -(2**62), axis, -1)))


def activated(g: GraphWriter, activation: Activation | None, x: str, kind: TensorType) -> str:
    """``activation`` of ``x``; None stands for the identity."""
    if activation is None:
        return x
    g.types[x] = kind
    result: str = rule_of(activation).function(g, activation, x)
    return result


def split(g: GraphWriter, x: str, parts: int, units: int) -> list[str]:
    """Parts of ``units`` elements along the last axis."""
    bounds = [g.integers([units * part]) for part in range(parts + 1)]
    return [g("Slice", x, bounds[i], bounds[i + 1], g.integers([-1])) for i in range(parts)]


def scanned(
    g: GraphWriter, op: Recurrent, x: str, w: str, r: str, b: str, initial: Sequence[str], mask: str
) -> tuple[str, ...]:
    """The loop over time of :meth:`Recurrent.evaluate` as a Scan."""
    units, dtype = op.hidden_size, g.dtype(x)
    gates = op.gates * units
    batch, time = g.shape(x)[:2]
    row = TensorType(dtype, (batch, units))
    kernel, recurrent_kernel = (g.reshape(g.transpose(each, [0, 2, 1]), (-1, gates)) for each in (w, r))
    halves = split(g, g.reshape(b, (2 * gates,)), 2, gates) if b else ["", ""]
    projected = _plus(g, g("MatMul", x, kernel), halves[0])
    parts_r = split(g, recurrent_kernel, op.gates, units)
    parts_b = split(g, halves[1], op.gates, units) if b else [""] * op.gates

    def step(states: list[str], slices: list[str]) -> tuple[list[str], list[str]]:
        parts = split(g, slices[0], op.gates, units)
        products = [
            _plus(g, g("MatMul", states[0], weight), bias) for weight, bias in zip(parts_r, parts_b, strict=True)
        ]
        after = STEPS[op.op_type](g, op, parts, states, products, (parts_r[-1], parts_b[-1]), row)
        return after, [after[0]]

    zeros = g("Expand", g.number(0, dtype), g.sizes(row.shape))
    states = [state and g.reshape(state, row.shape) for state in initial]
    start = [(state or zeros, row) for state in states]
    found = masked_scan(g, op, start, (projected, TensorType(dtype, (batch, gates))), step, mask, zeros, row, time)
    y = g("Unsqueeze", found[-1], g.integers([2]))
    return y, *(g("Unsqueeze", state, g.integers([1])) for state in found[: len(states)])


def masked_scan(
    g: GraphWriter,
    op: Any,
    states: Sequence[tuple[str, TensorType]],
    x: tuple[str, TensorType],
    step: Step,
    mask: str,
    zeros: str,
    row: TensorType,
    time: Dim,
) -> list[str]:
    """A Scan over axis 1 of ``x``, in which steps that ``mask`` leaves out keep the states; the output comes last."""
    options: dict[str, Any] = {
        "axis": 1,
        "reverse": op.direction == "reverse",
        "reverse_output": (op.direction == "reverse") != op.flip_output,
    }
    if not mask:
        return scan(g, states, [x], step, [row], **options)
    kept_shape = g.shape(mask)
    kept = TensorType("bool", (*kept_shape[:1], *kept_shape[2:]))
    missing = range(len(kept.shape), len(row.shape))

    def masked_step(before: list[str], slices: list[str]) -> tuple[list[str], list[str]]:
        *olds, last = before
        news, _ = step(olds, slices[:1])
        keep = g("Unsqueeze", slices[1], g.integers(missing))
        after = [g("Where", keep, new, old) for new, old in zip(news, olds, strict=True)]
        output = g("Where", keep, news[0], g.number(0, row.dtype) if op.zero_output_for_mask else last)
        return [*after, output], [output]

    return scan(g, [*states, (zeros, row)], [x, (mask, kept)], masked_step, [row], **options)


def _plus(g: GraphWriter, x: str, bias: str) -> str:
    return g("Add", x, bias) if bias else x


def _rnn(g: GraphWriter, op: Any, x: list[str], states: list[str], h: list[str], _: Any, row: TensorType) -> list[str]:
    return [activated(g, op.activations[0], g("Add", x[0], h[0]), row)]


def _lstm(g: GraphWriter, op: Any, x: list[str], states: list[str], h: list[str], _: Any, row: TensorType) -> list[str]:
    gate, cell, hidden = op.activations
    i, o, f, c = (g("Add", *pair) for pair in zip(x, h, strict=True))
    return lstm_states(g, (gate, cell, hidden), (i, f, c, o), states[1], row)


def lstm_states(
    g: GraphWriter, functions: Sequence[Activation | None], gates: Sequence[str], c: str, kind: TensorType
) -> list[str]:
    """The states H and C of an LSTM, from the sums i, f, c, o and the state C before."""
    gate, cell, hidden = functions
    i, f, candidate, o = gates
    i, f, o = (activated(g, gate, part, kind) for part in (i, f, o))
    c = g("Add", g("Mul", f, c), g("Mul", i, activated(g, cell, candidate, kind)))
    return [g("Mul", o, activated(g, hidden, c, kind)), c]


def _gru(
    g: GraphWriter, op: Any, x: list[str], states: list[str], h: list[str], last: tuple[str, str], row: TensorType
) -> list[str]:
    gate, hidden = op.activations
    update, reset = (activated(g, gate, g("Add", x[i], h[i]), row) for i in (0, 1))
    if op.linear_before_reset:
        product = g("Mul", reset, h[2])
    else:
        product = _plus(g, g("MatMul", g("Mul", reset, states[0]), last[0]), last[1])
    candidate = activated(g, hidden, g("Add", x[2], product), row)
    rest = g("Mul", g("Sub", g.number(1, row.dtype), update), candidate)
    return [g("Add", g("Mul", update, states[0]), rest)]


STEPS = {"RNN": _rnn, "GRU": _gru, "LSTM": _lstm}


@rule("ConvLSTM")
def conv_lstm(g: GraphWriter, op: ConvLSTM, x: str, r: str, h: str = "", c: str = "", mask: str = "") -> Any:
    units, (dtype, shape) = op.hidden_size, (g.dtype(x), g.shape(x))
    row = TensorType(dtype, (shape[0], *shape[2:-1], units))
    sums = TensorType(dtype, (shape[0], *shape[2:]))
    rank = g.types[r].rank
    kernel = g.transpose(r, [rank - 1, rank - 2, *range(rank - 2)])
    first = [0, rank - 1, *range(1, rank - 1)]
    last = [0, *range(2, rank), 1]
    sizes = static_dims("ConvLSTM", g.shape(r)[:-2])
    gate, cell = op.activations

    def step(states: list[str], slices: list[str]) -> tuple[list[str], list[str]]:
        images = g.transpose(states[0], first)
        convolved = g("Conv", images, kernel, auto_pad="SAME_UPPER", kernel_shape=list(sizes))
        parts = split(g, g("Add", slices[0], g.transpose(convolved, last)), 4, units)
        after = lstm_states(g, (gate, cell, cell), parts, states[1], row)
        return after, [after[0]]

    zeros = g("Expand", g.number(0, dtype), g.sizes(row.shape))
    found = masked_scan(
        g, op, [(h or zeros, row), (c or zeros, row)], (x, sums), step, mask, zeros, row, shape[1]
    )  # fmt: skip
    return found[-1], *found[:2]
