"""Writes the operators of an RModel, one after the other, by their rules."""

from __future__ import annotations

from sofie_jit.errors import UnsupportedLayerError
from sofie_jit.export.onnx.graph import GraphWriter
from sofie_jit.export.onnx.nodes.registry import Rule, rule_of
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel


def check_rules(network: RModel) -> None:
    """Raises UnsupportedLayerError, which lists all operators without a rule, those of bodies included."""
    problems = _problems(network)
    if problems:
        raise UnsupportedLayerError(list(dict.fromkeys(problems)))


def _problems(network: RModel) -> list[str]:
    problems: list[str] = []
    for op in network.operators:
        try:
            rule_of(op, {network.tensor_type(name).dtype for name in (*op.inputs, *op.outputs) if name})
        except UnsupportedLayerError as error:
            problems += error.problems
        for body in op.bodies.values():
            problems += _problems(body)
    return problems


def write_operator(g: GraphWriter, op: ROperator) -> None:
    """Adds the nodes of an operator, whose results get the names of its outputs."""
    for output, result in zip(op.outputs, _apply(g, op, rule_of(op)), strict=False):
        if output:
            g.bind(output, result)
            g.add_sizes(output)


def _apply(g: GraphWriter, op: ROperator, rule: Rule) -> tuple[str, ...]:
    """The nodes of an operator; the names of its results."""
    inputs = op.inputs
    rank = g.types[op.outputs[0]].rank if op.outputs[0] else 0
    moved = rule.elementwise and rank > 2 and any(name in g.channels_first for name in inputs)
    if moved and all(_follows(g, name, rank) for name in inputs):
        result = rule.function(g, op, *(_first(g, name, rank) for name in inputs))
        return (g.last(result, op.outputs[0]),)
    result = rule.function(g, op, *inputs)
    return result if isinstance(result, tuple) else (result,)


def _follows(g: GraphWriter, name: str, rank: int) -> bool:
    """Whether an input of an elementwise operator is there with channels first, or can be reordered at no cost."""
    return name in g.channels_first or name in g.constants or g.types[name].rank == 0


def _first(g: GraphWriter, name: str, rank: int) -> str:
    if name in g.constants and 0 < g.types[name].rank < rank:
        values = g.constants[name]
        name = g.constant(values.reshape((1,) * (rank - values.ndim) + values.shape))
    return g.first(name) if g.types[name].rank else name
