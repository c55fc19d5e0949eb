"""Signature: the facts about a network that :class:`~sofie_jit.models.execution.Execution` needs to call it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from sofie_jit.ir.dims import BATCH, SymbolicDim, bind_shape, names_of, split_count
from sofie_jit.ir.symbolic import polynomial_product
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass

if TYPE_CHECKING:
    from sofie_jit.ir.operators.operator import ROperator
    from sofie_jit.ir.rmodel import RModel


@dataclass(frozen=True)
class Signature:
    """Inputs, outputs and work of a network; data that a compiled library carries."""

    inputs: dict[str, TensorType]
    """Types of the inputs by name, in the order of the arguments."""
    outputs: list[tuple[str, TensorType]]
    """Name and type of each output."""
    structure: Any
    """The structure in which results are returned; see :attr:`RModel.output_structure`."""
    work: list[tuple[float, list[str]]]
    """Floating-point operations of a call, about: terms of a number and names of open sizes that it is multiplied by.
    Sizes that operators set count as 1."""
    sources: list[list[str]]
    """For each output the names of the inputs that it depends on."""
    keys: dict[str, str] = field(default_factory=dict)
    """Other names of inputs; see :attr:`RModel.input_keys`."""

    def flops(self, dims: Mapping[str, int]) -> float:
        """The floating-point operations of a call with these open sizes by name."""
        return sum(number * math.prod(dims.get(name, 1) for name in names) for number, names in self.work)

    @classmethod
    def of(cls, lowered: RModel, labels: Sequence[str]) -> Signature:
        """The signature of a lowered network, whose outputs are called ``labels`` in messages."""
        sources: dict[str, set[str]] = {name: {name} for name in lowered.inputs}
        for op in lowered.operators:
            found = set[str]().union(*(sources.get(name, set()) for name in op.inputs))
            sources.update((name, found) for name in op.outputs)
        types = [lowered.tensor_type(name) for name in lowered.outputs]
        return cls(
            dict(lowered.inputs),
            list(zip(labels, types, strict=True)),
            lowered.output_structure,
            _work(lowered),
            [sorted(sources.get(name, ())) for name in lowered.outputs],
            dict(lowered.input_keys),
        )


MOST_TERMS = 16
"""Terms of :attr:`Signature.work`; the others are left out. ``runtime/python_call.hxx`` has room for as many."""


def _work(lowered: RModel) -> list[tuple[float, list[str]]]:
    """See :attr:`Signature.work`: each operator's operations per row, times the open sizes of its tensors."""
    given = names_of(dim for kind in lowered.inputs.values() for dim in kind.shape)
    rows: tuple[str, ...] = (str(BATCH),) if str(BATCH) in given else ()
    total: dict[tuple[str, ...], float] = {rows: 1.0}
    for op, flops in zip(lowered.operators, lowered.operator_flops(), strict=True):
        terms: Mapping[tuple[str, ...], float] = {rows: float(flops)}
        for factor in _open_factors(lowered, op) if flops else ():
            terms = polynomial_product(terms, factor.approximate_terms())
        for names, number in terms.items():
            known = tuple(name for name in names if name in given)
            total[known] = total.get(known, 0.0) + number
    largest = sorted(total.items(), key=lambda term: (len(term[0]), term[1]), reverse=True)
    return [(number, list(names)) for names, number in largest[:MOST_TERMS]]


def _open_factors(lowered: RModel, op: ROperator) -> tuple[SymbolicDim, ...]:
    """The open sizes of the tensor of an operator that has most of them, the batch aside."""
    shapes = [lowered.tensor_type(name).shape for name in (*op.outputs, *op.inputs) if name]
    factors = [split_count(bind_shape(shape, {str(BATCH): 1}))[1] for shape in shapes]
    return max(factors, key=len, default=())
