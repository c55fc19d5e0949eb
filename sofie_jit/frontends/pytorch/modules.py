"""Calls of modules in a graph: the nodes of each, and what goes in and out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Any

from sofie_jit.frontends.pytorch.model import Node
from sofie_jit.records import dataclass


@dataclass
class ModuleCall:
    """The nodes that a module and the modules in it contribute to a graph."""

    path: str
    nodes: list[Node] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    """Tensors that the nodes use and do not compute, without parameters, in order of their first use."""
    outputs: list[str] = field(default_factory=list)
    """Tensors of the nodes that other nodes or the model use."""


def tensor_names(value: Any) -> Iterator[str]:
    """Names of the tensors in an argument or result, in JSON as in the file."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "as_tensor":
                yield item["name"]
            elif key in ("as_tensors", "as_nested_tensors"):
                yield from _listed(item)
            elif key == "as_optional_tensor":
                yield from tensor_names(item)
            elif key == "as_optional_tensors":
                for part in item:
                    yield from tensor_names(part)


def all_names(value: Any) -> list[str]:
    """Names of the tensors and of the numbers in an argument or result."""
    names = list(tensor_names(value))
    for kind, given in value.items():
        if kind in ("as_sym_int", "as_sym_bool", "as_sym_float") and "as_name" in given:
            names.append(given["as_name"])
        elif kind in ("as_sym_ints", "as_sym_bools", "as_sym_floats"):
            names += [item["as_name"] for item in given if "as_name" in item]
    return names


def _listed(items: Any) -> Iterator[str]:
    for item in items:
        if isinstance(item, list):
            yield from _listed(item)
        else:
            yield item["name"]


def used(node: Node) -> list[str]:
    """Names of the tensors that a node uses."""
    return [name for argument in node.arguments for name in tensor_names(argument[1])]


def defined(node: Node) -> list[str]:
    """Names of the tensors that a node computes."""
    return [name for output in node.outputs for name in tensor_names(output)]


def module_calls(nodes: Sequence[Node], outputs: Sequence[Any], constants: frozenset[str]) -> dict[str, ModuleCall]:
    """Path -> the call of each module, in order of their first nodes."""
    calls: dict[str, ModuleCall] = {}
    for node in nodes:
        parts = node.module.split(".") if node.module else []
        for count in range(1, len(parts) + 1):
            path = ".".join(parts[:count])
            calls.setdefault(path, ModuleCall(path)).nodes.append(node)
    uses: dict[str, list[Node | None]] = {}
    for node in nodes:
        for name in used(node):
            uses.setdefault(name, []).append(node)
    for output in outputs:
        for name in tensor_names(output):
            uses.setdefault(name, []).append(None)
    for call in calls.values():
        inside = {id(node) for node in call.nodes}
        computed = [name for node in call.nodes for name in defined(node)]
        own = {*computed, *constants}
        call.inputs = list(dict.fromkeys(name for node in call.nodes for name in used(node) if name not in own))
        call.outputs = [
            name for name in computed if any(user is None or id(user) not in inside for user in uses.get(name, []))
        ]
    return calls
