"""SizeCheck: a requirement of a network on the sizes of its inputs, as errors explain it."""

from __future__ import annotations

from collections.abc import Mapping

from sofie_jit.ir.dims import SymbolicDim, bind_shape, is_at_least, names_of
from sofie_jit.ir.requirements import Requirement
from sofie_jit.records import dataclass


@dataclass(frozen=True)
class SizeCheck:
    """A requirement that every call of the network checks before it computes anything."""

    requirement: Requirement
    operator: str
    """The operator that needs it, and its layer."""

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether it holds for these sizes of the run-time dimensions."""
        left, right = bind_shape((self.requirement.left, self.requirement.right), sizes)
        return left == right if self.requirement.relation == "==" else is_at_least(right, left)

    def explain(self, sizes: Mapping[str, int]) -> str:
        """An explanation for an error, with the values for these sizes of the run-time dimensions."""
        need = self.requirement
        left, right = (f"{dim} = {bind_shape((dim,), sizes)[0]}" if isinstance(dim, SymbolicDim) else str(dim)
                       for dim in (need.left, need.right))  # fmt: skip
        text = f"{left} must be equal to {right}" if need.relation == "==" else f"{right} must be at least {left}"
        given = ", ".join(f"{name} = {sizes[name]}" for name in names_of((need.left, need.right)))
        return f"{self.operator} cannot be computed for {given}: the size {text}"
