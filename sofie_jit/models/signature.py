"""Signature: the facts about a network that :class:`~sofie_jit.models.execution.Execution` needs to call it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

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
        return cls(
            dict(lowered.inputs),
            [(label, lowered.tensor_type(name)) for label, name in zip(labels, lowered.outputs, strict=True)],
            lowered.output_structure,
            max(1, sum(lowered.operator_flops())),
            [sorted(sources.get(name, ())) for name in lowered.outputs],
            dict(lowered.input_keys),
        )
