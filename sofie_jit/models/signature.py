"""Signature: the facts about a network that :class:`~sofie_jit.models.execution.Execution` needs to call it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from sofie_jit.ir.dims import Dim, SymbolicDim
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass

if TYPE_CHECKING:
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
    flops: int
    """Floating-point operations per row of the batch, at least 1."""
    sources: list[list[str]]
    """For each output the names of the inputs that it depends on."""
    keys: dict[str, str] = field(default_factory=dict)
    """Other names of inputs; see :attr:`RModel.input_keys`."""

    @classmethod
    def of(cls, lowered: RModel, labels: Sequence[str]) -> Signature:
        """The signature of a lowered network, whose outputs are called ``labels`` in messages."""
        sources: dict[str, set[str]] = {name: {name} for name in lowered.inputs}
        for op in lowered.operators:
            found = set[str]().union(*(sources.get(name, set()) for name in op.inputs))
            sources.update((name, found) for name in op.outputs)
        types = _with_names(lowered, [lowered.tensor_type(name) for name in lowered.outputs])
        return cls(
            dict(lowered.inputs),
            list(zip(labels, types, strict=True)),
            lowered.output_structure,
            max(1, sum(lowered.operator_flops())),
            [sorted(sources.get(name, ())) for name in lowered.outputs],
            dict(lowered.input_keys),
        )


def _with_names(lowered: RModel, types: list[TensorType]) -> list[TensorType]:
    """The types with names for sizes that a requirement of the network says are equal to them.

    A U-Net adds up images of ``height`` and ``4*(height//4)`` rows, say, and so requires that these are equal. Sizes
    that are names are those that the fast call can compute.
    """
    if all(isinstance(dim, int) or _is_name(dim) for kind in types for dim in kind.shape):
        return types
    given = {dim for kind in lowered.inputs.values() for dim in kind.shape if _is_name(dim)}
    equal: dict[Dim, Dim] = {}
    needs = [
        need
        for op in lowered.operators
        for need in op.requirements(*(lowered.tensor_type(name) if name else None for name in op.inputs))
    ]
    for need in needs:
        for name, size in ((need.left, need.right), (need.right, need.left)):
            if need.relation == "==" and name in given:
                equal[size] = name
    return [replace(kind, shape=tuple(equal.get(dim, dim) for dim in kind.shape)) for kind in types]


def _is_name(dim: Dim) -> bool:
    return isinstance(dim, SymbolicDim) and dim.names == (str(dim),)
