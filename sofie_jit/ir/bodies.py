"""Builds the body of a Loop or If: the operators added in a context become a network of their own."""

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

    ``inputs``: its own inputs. ``operators``: those that were added in the context.
    After :meth:`finish`, ``network`` is the body, and ``outer`` are the tensors of the network around it that it reads,
    which are its last inputs.
    """

    def __init__(self, builder: Builder, inputs: Sequence[Symbol]):
        self.inputs = list(inputs)
        self.operators: list[ROperator] = []
        self.outputs: list[Symbol] = []
        self.network = RModel()
        self.outer: list[Symbol] = []
        self._builder = builder

    def finish(self, outputs: Sequence[Symbol]) -> None:
        """Makes the network with these outputs: tensors of the body, or of the network around it."""
        self.outputs = list(outputs)
        self.network.name = "body"
        self.network.inputs = {symbol.name: symbol.type for symbol in self.inputs}
        for op in self.operators:
            self.network.add_operator(op)
        self.network.add_output_tensor_names(symbol.name for symbol in outputs)
        self.outer = [self._builder.symbol(name) for name in _outer_names(self.network)]
        self.network.inputs |= {symbol.name: symbol.type for symbol in self.outer}
        self.network.generate()


@contextmanager
def body(builder: Builder, types: Sequence[TensorType], sources: Sequence[Symbol] = ()) -> Iterator[Body]:
    """A :class:`Body` with inputs of these types, to which all operators belong that are added in the context.

    ``sources``: the tensors that its inputs are computed from.

    If an exception leaves the context, these operators are removed.

    >>> builder = Builder(RModel("outer"))
    >>> x = builder.input("x", "float32", (3,))
    >>> with body(builder, [x.type], [x]) as twice:
    ...     y = twice.inputs[0] + x
    >>> twice.finish([y])
    >>> list(twice.network.inputs), [op.op_type for op in twice.network.operators], builder.rmodel.operators
    (['body', 'x'], ['Add'], [])
    """
    operators = builder.rmodel.operators
    start = len(operators)
    built = Body(builder, builder.add(BodyInputs(types=tuple(types)), *sources, hint="body") if types else ())
    first = len(operators)
    try:
        yield built
        built.operators = operators[first:]
    finally:
        del operators[start:]


def _outer_names(network: RModel) -> list[str]:
    """The tensors that a network reads, and neither has as inputs nor computes, in the order of first use."""
    known = {*network.inputs, *(name for op in network.operators for name in op.outputs), ""}
    read = [*(name for op in network.operators for name in op.inputs), *network.outputs]
    return [name for name in dict.fromkeys(read) if name not in known]
