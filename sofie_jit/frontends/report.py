"""The report of :func:`sofie_jit.check` about a model of any format."""

from __future__ import annotations

from dataclasses import field

from sofie_jit.errors import counted
from sofie_jit.records import dataclass


@dataclass(frozen=True)
class NodeReport:
    """One node of a model in a :class:`Report`."""

    name: str
    """Its name, with the names of the models around it."""
    type: str
    """Its class or operator type."""
    problem: str
    """Why it cannot be translated; '' if it can."""


@dataclass(frozen=True)
class Report:
    """The result of :func:`sofie_jit.check`. It is true if the model can be loaded."""

    source: str
    problems: list[str]
    """One line per node that cannot be translated, or the reason why the file cannot be read."""
    nodes: list[NodeReport] = field(default_factory=list)
    """All layers or operators in the order of the file; empty if the file cannot be read."""
    node_word: str = "node"
    """The format's word for a node."""
    unknown: str = ""
    """Why the nodes are not known before the first call, of TorchScript without shapes; '' if they are."""

    @property
    def ok(self) -> bool:
        """Whether the model can be loaded."""
        return not self.problems

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        bad = sum(bool(node.problem) for node in self.nodes)
        count = counted(len(self.nodes), self.node_word) + (f", {bad} of them not supported" if bad else "")
        lines = [f"{self.source}: {'can' if self.ok else 'cannot'} be loaded" + (f" ({count})" if self.nodes else "")]
        if self.unknown:
            lines.append(f"  its {self.node_word}s are not checked: {self.unknown}")
        width = max((len(node.name) for node in self.nodes), default=0)
        lines += [f"  {'no' if node.problem else 'ok'}  {node.name:{width}}  {node.type}" for node in self.nodes]
        return "\n".join([*lines, *(f"  {problem}" for problem in self.problems)])
