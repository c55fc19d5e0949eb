"""The values of a graph of ``torch.export``: its nodes are translated one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sofie_jit.errors import ModelFileError, UnsupportedLayerError
from sofie_jit.frontends.base import NodeCall, Problems, errors_of_node
from sofie_jit.frontends.pytorch import scalars
from sofie_jit.frontends.pytorch.aten.registry import unsupported
from sofie_jit.frontends.pytorch.computed_numbers import are_computed, compute
from sofie_jit.frontends.pytorch.evaluator import Evaluator, supported
from sofie_jit.frontends.pytorch.exported import SERIALIZED_TYPES
from sofie_jit.frontends.pytorch.higher_order import FUNCTIONS
from sofie_jit.frontends.pytorch.model import Graph, Node
from sofie_jit.frontends.pytorch.modules import all_names
from sofie_jit.frontends.pytorch.values import Tensor, Undecided, complex_number

HIGHER_ORDER = "torch.ops.higher_order."
"""What names of operators begin with that run graphs."""


class GraphValues:
    """The values of the tensors and numbers of a graph by name."""

    def __init__(self, nodes: Sequence[Node], evaluator: Evaluator, problems: Problems, values: Mapping[str, Any]):
        self.nodes = nodes
        self.evaluator = evaluator
        self.builder = evaluator.builder
        self.problems = problems
        self.values: dict[str, Any] = dict(values)

    def node(self, node: Node) -> None:
        """Adds the results of a node to the values."""
        missing = [name for argument in node.arguments for name in all_names(argument[1]) if name not in self.values]
        if missing:
            self._check_defined(missing, node.label)
            if node.target.startswith("torch.ops.aten."):
                supported(node.target.removeprefix("torch.ops.aten."), node.label)
            return
        if node.target.startswith(HIGHER_ORDER):
            names = [name for output in node.outputs for name in all_names(output) or [""]]
            self.values.update(zip(names, self.run_graphs(node), strict=True))
            return
        arguments = {str(name): self.value(value, node.label) for name, value in node.arguments}
        self.assign(node, self.called(node, arguments))

    def _check_defined(self, names: Sequence[str], label: str) -> None:
        """Raises ModelFileError if no node computes one of the values ``names``."""
        known = {name for node in self.nodes for output in node.outputs for name in all_names(output)}
        if not set(names) <= known:
            raise ModelFileError(f"{label}: it uses '{names[0]}', which the model does not define")

    def run_graphs(self, node: Node) -> Sequence[Any]:
        """The results of an operator that has graphs among its arguments."""
        handler = FUNCTIONS.get(node.target.removeprefix(HIGHER_ORDER))
        if handler is None:
            raise unsupported(node.label)
        arguments = [
            node.graphs[value["as_graph"]] if "as_graph" in value else self.value(value, node.label)
            for _, value in node.arguments
        ]
        with errors_of_node(node.label, {}, "PyTorch"):
            return handler(NodeCall(node.path, node.label, self.evaluator.builder), self.run, *arguments)

    def run(self, graph: Graph, operands: Sequence[Any]) -> list[Any]:
        """The results of a graph. Raises UnsupportedLayerError if an operator in it is not supported."""
        inner = GraphValues(graph.nodes, self.evaluator, self.problems, dict(zip(graph.inputs, operands, strict=True)))
        for node in graph.nodes:
            with self.problems.collected():
                inner.node(node)
        if missing := [name for output in graph.outputs for name in all_names(output) if name not in inner.values]:
            inner._check_defined(missing, "a graph")
            raise UnsupportedLayerError([])  # the problem is known already
        results = [inner.value(output, "an output of a branch or loop") for output in graph.outputs]
        return [item for result in results for item in (result if isinstance(result, list) else [result])]

    def called(self, node: Node, arguments: Mapping[str, Any]) -> Any:
        """The result of an operator of ATen, or of a function of numbers."""
        target = node.target
        if target.startswith("torch.ops.aten."):
            name = target.removeprefix("torch.ops.aten.")
            return self.evaluator.call(name, (), arguments, name=node.path, label=node.label)
        namespace, _, function = target.rpartition(".")
        if namespace in ("_operator", "operator", "math", "torch", "torch._sym"):
            with errors_of_node(node.label, {}, "PyTorch"):
                name, given = function.removeprefix("_"), list(arguments.values())
                if are_computed(given):
                    call = NodeCall(node.path, node.label, self.builder)
                    return compute(self.evaluator, call, name, given, {})
                if name in scalars.FUNCTIONS:
                    return scalars.compute(name, *given)
                return Undecided(node.label)
        raise unsupported(node.label)

    def assign(self, node: Node, result: Any) -> None:
        """Gives the results of a node the names that they have in the graph."""
        if len(node.outputs) == 1:
            results = [result]
        else:
            results = list(result) if isinstance(result, (tuple, list)) else [result]
        for output, value in zip(node.outputs, results, strict=False):
            names = list(all_names(output))
            parts = [value] if set(output) & {"as_tensor", "as_sym_int", "as_sym_bool", "as_sym_float"} else value
            if isinstance(parts, (list, tuple)):
                self.values.update({name: part for name, part in zip(names, parts, strict=False) if name})

    def value(self, argument: Any, label: str) -> Any:
        """An argument in JSON as in the file as a value."""
        ((kind, given),) = argument.items()
        if kind == "as_none":
            return None
        if kind == "as_tensor":
            return self.tensor(given["name"], label)
        if kind == "as_tensors":
            return [self.tensor(item["name"], label) for item in given]
        if kind == "as_optional_tensor":
            return self.value(given, label)
        if kind == "as_optional_tensors":
            return [self.value(item, label) for item in given]
        if kind in ("as_sym_int", "as_sym_bool", "as_sym_float"):
            ((form, number),) = given.items()
            return self.values[number] if form == "as_name" else number
        if kind in ("as_sym_ints", "as_sym_bools", "as_sym_floats"):
            return [self.value({kind[:-1]: item}, label) for item in given]
        if kind == "as_scalar_type":
            return SERIALIZED_TYPES.get(given, f"number {given}")
        if kind in ("as_int", "as_float", "as_string", "as_bool", "as_ints", "as_floats", "as_strings", "as_bools"):
            if kind == "as_float":
                return float(given)  # text for infinity and NaN
            return [float(item) for item in given] if kind == "as_floats" else given
        if kind == "as_complex":
            return complex_number(complex(float(given["real"]), float(given["imag"])), self.evaluator.builder)
        if kind in ("as_memory_format", "as_layout", "as_device"):
            return kind
        raise UnsupportedLayerError(f"{label}: an argument of the kind {kind.removeprefix('as_')} is not supported")

    def tensor(self, name: str, label: str) -> Tensor:
        value = self.values[name]
        if not isinstance(value, Tensor):
            dtype = getattr(value, "dtype", type(value).__name__)
            raise UnsupportedLayerError(f"{label}: it uses '{name}' of type {dtype}, which is not supported")
        return value
