"""Rules of Loop and If."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from sofie_jit.export.onnx.graph import GraphWriter
from sofie_jit.export.onnx.nodes.registry import rule
from sofie_jit.ir.operators.control import If, Loop
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType


@rule("Loop")
def loop(g: GraphWriter, op: Loop, trips: str, condition: str, *values: str) -> tuple[str, ...]:
    """The node of the same name; its body reads further tensors by their names in the enclosing graph."""
    names = list(op.body.inputs)
    carried = [op.body.inputs[name] for name in names[1 : op.own_body_inputs]]
    with g.body([TensorType("int64", ()), TensorType("bool", ()), *carried]) as body:
        number, _, *states = (name for name, _ in body.inputs)
        given = dict(zip(names, [number, *states, *values[op.carried :]], strict=True))
        goes_on, *results = write_body(g, op.body, given)
        kinds = [op.body.tensor_type(name) for name in op.results]
        body.outputs = [(_single(g, goes_on), TensorType("bool", ())), *zip(results, kinds, strict=True)]
    start = [name and _single(g, name) for name in (trips, condition)]
    return g.several(len(results), "Loop", *start, *values[: op.carried], body=body)


@rule("If")
def if_(g: GraphWriter, op: If, condition: str, *values: str) -> tuple[str, ...]:
    """The node of the same name."""
    branches = {}
    for attribute, network in op.bodies.items():
        with g.body([]) as body:
            results = write_body(g, network, dict(zip(network.inputs, values, strict=True)))
            body.outputs = list(zip(results, map(network.tensor_type, network.outputs), strict=True))
        branches[attribute] = body
    return g.several(len(results), "If", _single(g, condition), **branches)


def write_body(g: GraphWriter, body: RModel, given: Mapping[str, str]) -> list[str]:
    """Adds the operators of a body; ``given`` are the names of its inputs. Returns those of its outputs."""
    names = {**given, "": ""}
    for name, values in body.initialized.items():
        names[name] = name if g.constants.get(name) is values else g.constant(values)
    for op in body.operators:
        for name in filter(None, op.outputs):
            names[name] = g.unique(name)
            g.types[names[name]] = body.tensor_type(name)
    from sofie_jit.export.onnx.operators import write_operator  # which imports the rules

    for op in body.operators:
        inputs, outputs = ([names[name] for name in listed] for listed in (op.inputs, op.outputs))
        write_operator(g, dataclasses.replace(op, inputs=inputs, outputs=outputs))
    return [names[name] for name in body.outputs]


def _single(g: GraphWriter, name: str) -> str:
    """A tensor of one element without axes."""
    return g.reshape(name, ()) if g.types[name].rank else name
