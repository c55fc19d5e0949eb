"""Replaces calls of a model's own functions by the nodes of these functions."""

from __future__ import annotations

import dataclasses
from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from typing import Any

from sofie_jit.errors import ModelFileError, counted
from sofie_jit.frontends.onnx.model import Attribute, Function, Graph, Node, OnnxModel, ValueInfo

MAX_NODES = 100_000
"""Maximum number of nodes that functions expand to. Functions that call each other twice grow exponentially."""
MAX_CALLS = 30
"""Maximum nesting of calls."""
LONGEST = 200
"""Characters of a name from which a new one is made."""

Key = tuple[str, str, str]


def inlined(model: OnnxModel) -> OnnxModel:
    """The same model without functions.

    The nodes of a function are named after the node that calls it: ``call/node``. So are its tensors, but the inputs
    and outputs, which have the names of the call's.

    Raises ModelFileError if a call does not fit the function, if a function calls itself, or if there would be too many
    nodes.
    """
    if not model.functions:
        return model
    return dataclasses.replace(model, graph=_Inliner(model).graph(model.graph, ()), functions=[])


class _Inliner:
    def __init__(self, model: OnnxModel):
        self.functions = {function.key: function for function in model.functions}
        self.node_names = {node.name for node in model.graph.walk()}
        self.tensor_names = _all_names(model.graph)
        self.numbers: dict[str, int] = {}
        self.nodes_left = MAX_NODES

    def graph(self, graph: Graph, calls: tuple[Key, ...]) -> Graph:
        """A graph without calls of functions. ``calls`` are the functions from which it was called."""
        return dataclasses.replace(graph, nodes=[new for node in graph.nodes for new in self.node(node, calls)])

    def node(self, node: Node, calls: tuple[Key, ...]) -> list[Node]:
        """The nodes that take the place of a node."""
        if node.subgraphs:
            attributes = {
                name: dataclasses.replace(given, value=self.graph(given.value, calls))
                if isinstance(given.value, Graph)
                else given
                for name, given in node.attributes.items()
            }
            node = dataclasses.replace(node, attributes=attributes)
        key = node.domain, node.op_type, node.overload
        if key not in self.functions:
            return [node]
        if key in calls:
            raise ModelFileError(f"{node.label}: the function calls itself, which ONNX does not allow")
        if len(calls) == MAX_CALLS:
            raise ModelFileError(f"{node.label}: calls of functions are nested more than {MAX_CALLS} levels deep")
        return [new for body in self.body(node, self.functions[key]) for new in self.node(body, (*calls, key))]

    def body(self, call: Node, function: Function) -> list[Node]:
        """The nodes of a function with the names and attributes of a call."""
        for what, given, declared in (
            ("inputs", call.inputs, function.inputs), ("outputs", call.outputs, function.outputs),
        ):  # fmt: skip
            if len(given) > len(declared):
                found = counted(len(given), what[:-1])
                raise ModelFileError(f"{call.label} has {found}, but the function has {len(declared)}: {declared}")
        attributes = function.defaults | call.attributes
        names: dict[str, str] = dict.fromkeys(function.inputs, "") | dict(
            zip(function.inputs, call.inputs, strict=False)
        )
        copies = []
        for inner, outer in zip(function.outputs, call.outputs, strict=False):
            if inner in names and outer:  # an input, or an output that is returned twice
                copies.append((inner, outer))
            elif outer:
                names[inner] = outer
        self.define(names, [name for node in function.nodes for name in node.outputs], call.name)
        nodes = [self.renamed(node, names, attributes, call.name) for node in function.nodes]
        for inner, outer in copies:
            name = self.unique(f"{call.name}/Identity", self.node_names)
            nodes.append(Node(name, "Identity", "", "", 1, [names[inner]], [outer], {}))
        self.nodes_left -= len(copies)
        return nodes

    def renamed(
        self, node: Node, names: MutableMapping[str, str], attributes: Mapping[str, Attribute], prefix: str
    ) -> Node:
        """A copy of a function's node: ``names`` for its tensors, and values for references to ``attributes``."""
        self.nodes_left -= 1
        if self.nodes_left < 0:
            raise ModelFileError(f"'{prefix[:LONGEST]}': functions would expand to more than {MAX_NODES:,} nodes")
        given: dict[str, Attribute] = {}
        for name, value in node.attributes.items():
            if value.reference:
                if value.reference in attributes:  # else the operator's own default applies
                    found = attributes[value.reference]
                    if found.type != value.type:
                        raise ModelFileError(
                            f"{prefix}: attribute '{value.reference}' is of type {found.type}; expected {value.type}"
                        )
                    given[name] = found
            elif isinstance(value.value, Graph):
                graph = self.renamed_graph(value.value, ChainMap({}, names), attributes, prefix)
                given[name] = dataclasses.replace(value, value=graph)
            else:
                given[name] = value
        return Node(
            self.unique(f"{prefix}/{node.name}", self.node_names),
            node.op_type,
            node.domain,
            node.overload,
            node.version,
            [names[name] if name else "" for name in node.inputs],
            [names[name] if name else "" for name in node.outputs],
            given,
        )

    def renamed_graph(
        self,
        graph: Graph,
        names: MutableMapping[str, str],
        attributes: Mapping[str, Attribute],
        prefix: str,
    ) -> Graph:
        """A copy of a graph in a function. Its tensors get new names, so that they cannot hide names of the call."""
        local: dict[str, str] = {}
        self.define(local, graph.names, prefix)
        names.update(local)

        def values(infos: list[ValueInfo]) -> list[ValueInfo]:
            if omitted := [info.name for info in infos if not names[info.name]]:
                raise ModelFileError(f"{prefix}: the call omits '{omitted[0]}', which a graph in the function returns")
            return [dataclasses.replace(info, name=names[info.name]) for info in infos]

        return Graph(
            graph.name,
            values(graph.inputs),
            values(graph.outputs),
            {names[name]: tensor for name, tensor in graph.initializers.items()},
            [self.renamed(node, names, attributes, prefix) for node in graph.nodes],
        )

    def define(self, names: MutableMapping[str, str], new: Any, prefix: str) -> None:
        """Adds a new name, which begins with ``prefix``, for each of ``new`` that ``names`` lacks."""
        for name in sorted(new):
            if name and name not in names:
                names[name] = self.unique(f"{prefix}/{name}", self.tensor_names)

    def unique(self, hint: str, taken: set[str]) -> str:
        """A name that is not ``taken``, and is from now on."""
        name = hint = hint[-LONGEST:]
        while name in taken:
            self.numbers[hint] = number = self.numbers.get(hint, 0) + 1
            name = f"{hint}_{number}"
        taken.add(name)
        return name


def _all_names(graph: Graph) -> set[str]:
    """The names of all tensors of a graph and of its subgraphs."""
    names = set(graph.names)
    for node in graph.nodes:
        for inner in node.subgraphs:
            names |= _all_names(inner)
    return names
