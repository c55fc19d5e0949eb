"""Operators of ``torch.export`` that run graphs: ``torch.cond``, ``torch.while_loop``, and contexts around a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sofie_jit.frontends.base import NodeCall
from sofie_jit.frontends.control_flow import Iteration, repeated
from sofie_jit.frontends.pytorch.carried import check_decided, common_form, rebuilt, settled, taken_apart
from sofie_jit.frontends.pytorch.conditions import flag, merged
from sofie_jit.frontends.pytorch.model import Graph
from sofie_jit.frontends.pytorch.values import Tensor
from sofie_jit.ir.bodies import body
from sofie_jit.ir.builder import Symbol

Run = Callable[[Graph, Sequence[Any]], list[Any]]
"""Adds the operators of a graph; returns its results."""


def cond(
    call: NodeCall, run: Run, predicate: Any, true_graph: Graph, false_graph: Graph, operands: Sequence[Any] = ()
) -> list[Any]:
    """The results of one of two graphs."""
    graphs = true_graph, false_graph
    check_decided(call, predicate)
    if not isinstance(predicate, Tensor):
        return run(graphs[0 if predicate else 1], operands)
    branches, values = [], []
    for graph in graphs:
        with body(call.builder, []) as built:
            values.append(settled(run(graph, operands)))
        branches.append(built)
    forms = [common_form(*pair) for pair in zip(*values, strict=True)]
    return merged(call, predicate, branches, forms, values)


def while_loop(
    call: NodeCall, run: Run, condition: Graph, step: Graph, carried: Sequence[Any], further: Sequence[Any] = ()
) -> list[Any]:
    """The carried values after the last iteration of a loop."""
    forms = [common_form(value, value) for value in carried]

    def goes_on(values: Sequence[Any]) -> Symbol:
        (found,) = run(condition, [*values, *further])
        check_decided(call, found)
        return flag(call, found)

    def iteration(number: Symbol, states: Sequence[Symbol]) -> Iteration:
        after = settled(run(step, [*rebuilt(forms, states), *further]))
        return Iteration(goes_on(after), taken_apart(call, forms, after))

    states, _ = repeated(call, iteration, taken_apart(call, forms, carried), condition=goes_on(carried))
    return rebuilt(forms, states)


def wrapped(call: NodeCall, run: Run, setting: Any, graph: Graph, *operands: Any) -> list[Any]:
    """The results of a graph in a context that does not matter for inference, such as ``torch.no_grad``."""
    return run(graph, operands)


FUNCTIONS: dict[str, Callable[..., list[Any]]] = {
    "cond": cond,
    "while_loop": while_loop,
    "wrap_with_set_grad_enabled": wrapped,
}
"""Name of an operator -> function of the call, of :data:`Run` and of its arguments."""
