"""Builds the body of a Loop: the operators that are added in a context become a network of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.operators.operator import ROperator
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass


@dataclass(kw_only=True)
class BodyInputs(ROperator):
    """Stands for the inputs of a body while it is built; no finished network has it.

    Its own inputs are the tensors that they are computed from.
    """

    types: tuple[TensorType, ...]

    is_foldable: ClassVar[bool] = False

    def infer(self, *sources: TensorType) -> tuple[TensorType, ...]:
        return self.types


class Body:
    """A body that is being built.

    ``inputs``: its own inputs. ``outputs``: set by the context. ``network``: the finished body, after the context.
    ``outer``: the tensors of the network around it that it reads, which are its last inputs.
    """

    def __init__(self, inputs: Sequence[Symbol]):
        self.inputs = list(inputs)
        self.outputs: list[Symbol] = []
        self.network = RModel()
        self.outer: list[Symbol] = []


@contextmanager
def body(builder: Builder, types: Sequence[TensorType], sources: Sequence[Symbol] = ()) -> Iterator[Body]:
    """A :class:`Body` with inputs of these types, to which all operators belong that are added in the context.

    ``sources``: the tensors that its inputs are computed from.

    If an exception leaves the context, these operators are removed.

    >>> builder = Builder(RModel("outer"))
    >>> x = builder.input("x", "float32", (3,))
    >>> with body(builder, [x.type], [x]) as twice:
    ...     twice.outputs = [twice.inputs[0] + x]
    >>> list(twice.network.inputs), [op.op_type for op in twice.network.operators], builder.rmodel.operators
    (['body', 'x'], ['Add'], [])
    """
    operators = builder.rmodel.operators
    start = len(operators)
    built = Body(builder.add(BodyInputs(types=tuple(types)), *sources, hint="body") if types else ())
    first = len(operators)
    try:
        yield built
        inner = operators[first:]
    finally:
        del operators[start:]
    built.network.name = "body"
    built.network.inputs = {symbol.name: symbol.type for symbol in built.inputs}
    for op in inner:
        built.network.add_operator(op)
    built.network.add_output_tensor_names(symbol.name for symbol in built.outputs)
    built.outer = [builder.symbol(name) for name in _outer_names(built.network)]
    built.network.inputs |= {symbol.name: symbol.type for symbol in built.outer}
    built.network.generate()


def _outer_names(network: RModel) -> list[str]:
    """The tensors that a network reads, and neither has as inputs nor computes, in the order of first use."""
    known = {*network.inputs, *(name for op in network.operators for name in op.outputs), ""}
    read = [*(name for op in network.operators for name in op.inputs), *network.outputs]
    return [name for name in dict.fromkeys(read) if name not in known]
