"""Translates the graph of an exported program to an RModel."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit.errors import GraphError, ModelFileError, counted
from sofie_jit.frontends import base
from sofie_jit.frontends.base import Problems, errors_of_file
from sofie_jit.frontends.content import some
from sofie_jit.frontends.pytorch.evaluator import Evaluator
from sofie_jit.frontends.pytorch.exported import with_inner
from sofie_jit.frontends.pytorch.graph import GraphValues
from sofie_jit.frontends.pytorch.inputs import Inputs
from sofie_jit.frontends.pytorch.model import ExportedModel, Node
from sofie_jit.frontends.pytorch.modules import ModuleCall, all_names, defined, module_calls, tensor_names
from sofie_jit.frontends.pytorch.promotion import TORCH
from sofie_jit.frontends.pytorch.results import Results
from sofie_jit.frontends.pytorch.structure import keyed_names
from sofie_jit.frontends.pytorch.values import (
    NUMBERS,
    Tensor,
    constant_tensor,
    refused_output,
)
from sofie_jit.frontends.replacement import as_tuple, call_replacement
from sofie_jit.ir.builder import Builder, Symbol
from sofie_jit.ir.dims import bind_shape
from sofie_jit.ir.requirements import undecided
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType
from sofie_jit.records import dataclass

Replacements = Mapping[str, Callable[..., Any]]


@dataclass
class Translation(base.Translation):
    """An exported program that can be translated for any sizes of its open dimensions."""

    model: ExportedModel
    replace: Replacements | None = None
    outputs: Sequence[str] | None = None

    format = "PyTorch"

    def __post_init__(self) -> None:
        names = frozenset(constant.name for constant in self.model.constants)
        self.calls = module_calls(self.model.nodes, self.model.outputs, names)
        for name in self.replace or {}:
            if name not in self.calls and name not in (node.path for node in self.model.nodes):
                raise ModelFileError(
                    f"replace= names '{name}', which is not a module of this model; its modules are: {some(self.calls)}"
                )
        for name in self.outputs or ():
            if name not in self.calls and name not in (node.path for node in self.model.nodes):
                raise ModelFileError(
                    f"outputs= names '{name}', which is not a module of this model; its modules are: {some(self.calls)}"
                )

    @property
    def source(self) -> str:
        """The name of the file in messages."""
        return self.model.source

    @property
    def inputs(self) -> dict[str, TensorType]:
        """Name -> type of the inputs; open dimensions have names, see :class:`Inputs`."""
        with errors_of_file(self.source):
            return self._inputs.types

    @functools.cached_property
    def _inputs(self) -> Inputs:
        return Inputs(self.model.inputs, self.model.ranges)

    def __call__(self, sizes: Mapping[str, int] | None = None) -> RModel:
        """The RModel with ``sizes`` for open dimensions by name.

        Raises UnsupportedLayerError listing all operators that are not supported.
        """
        with errors_of_file(self.source):
            rmodel = RModel("model")
            builder = Builder(rmodel, TORCH)
            given = {
                name: Tensor(builder.input(name, kind.dtype, bind_shape(kind.shape, sizes or {})))
                for name, kind in self.inputs.items()
            }
            graph = _Graph(self, builder)
            results = graph.results(given)
            graph.problems.raise_all()
            results.finish(rmodel)
            rmodel.input_keys = self.input_keys
            rmodel.size_limits = undecided([limit.bind(sizes or {}) for limit in self._inputs.limits])
            rmodel.generate()
            return rmodel

    @property
    def input_keys(self) -> dict[str, str]:
        """The names of inputs by the keys of the dicts that the module takes; empty unless all inputs are in dicts."""
        keys, names = keyed_names(self.model.input_structure), list(self.inputs)
        found = {key: names[index] for index, key in keys.items() if index < len(names)}
        return found if len(found) == len(names) else {}

    def nested_inputs(self, values: Sequence[Any]) -> Any:
        """Values, one per input, as the positional arguments of the module."""
        return _nested(self.model.input_structure, list(values))

    def nodes(self) -> list[base.Node]:
        """The calls of operators in execution order."""
        return [base.Node(node.path, node.operator) for node in with_inner(self.model.nodes)]

    @property
    def metadata(self) -> dict[str, str]:
        """The format, and the version of PyTorch that saved the file."""
        return self.model.metadata | {"format": self.format, "saved by": f"torch {self.model.torch_version}"}

    def original(self, source: Any, **options: Any) -> base.OriginalModel:
        """The same model in PyTorch."""
        from sofie_jit.frontends.pytorch.original import of_exported

        outputs = {path: list(call.outputs) for path, call in self.calls.items() if call.outputs}
        return of_exported(source, self, outputs, **options)


class _Graph(GraphValues):
    """The graph of the model, with its parameters, replaced modules and outputs."""

    def __init__(self, translation: Translation, builder: Builder):
        super().__init__(translation.model.nodes, Evaluator(builder), Problems(), translation.model.known_inputs)
        self.model = translation.model
        self.calls = translation.calls
        self.replace = translation.replace or {}
        self.wanted = translation.outputs

    def results(self, given: Mapping[str, Tensor]) -> Results:
        """Translates the nodes that the outputs need; returns the outputs."""
        self.values.update(given)
        for constant in self.model.constants:
            if constant.tensor.array is None:
                self.values[constant.name] = constant.tensor
            else:
                array = constant.tensor.array
                self.values[constant.name] = constant_tensor(array, constant.target, self.builder)
        outputs = self.outputs()
        wanted = {} if self.wanted is None else dict(outputs)
        early: dict[str, Any] = {}
        """Results of modules, which later calls may change in place."""
        replaced = {
            id(node): self.calls[path] for path in self.replace if path in self.calls for node in self.calls[path].nodes
        }
        done: set[str] = set()
        for node in self.needed(outputs):
            call = replaced.get(id(node))
            if call is not None:
                if call.path not in done:
                    done.add(call.path)
                    self.replaced(call)
            else:
                with self.problems.collected():
                    self.node(node)
            for name in wanted.keys() & self.values.keys() - early.keys():
                early[name] = self.result(wanted[name], name)
        results = Results(self.builder)
        for name, value in outputs:
            results.add(name, early[name] if name in early else self.result(value, name))
        if self.wanted is None:
            results.nest(self.model.structure)
        return results

    def outputs(self) -> list[tuple[str, Any]]:
        """Name and value, in JSON as in the file, of each output."""
        if self.wanted is None:
            names = [next(tensor_names(value), f"output_{index}") for index, value in enumerate(self.model.outputs)]
            return list(zip(names, self.model.outputs, strict=True))
        found = []
        for name in self.wanted:
            if name in self.calls:
                found += [(tensor, {"as_tensor": {"name": tensor}}) for tensor in self.calls[name].outputs]
            else:
                node = next(node for node in self.model.nodes if node.path == name)
                found += [(tensor, {"as_tensor": {"name": tensor}}) for tensor in defined(node)]
        return found

    def needed(self, outputs: Sequence[tuple[str, Any]]) -> list[Node]:
        """The nodes that the outputs depend on, and those that may change a tensor in place."""
        names = {name for _, value in outputs for name in all_names(value)}
        kept = []
        for node in reversed(self.model.nodes):
            operator = node.target.rpartition("::")[2].removeprefix("torch.ops.aten.").partition(".")[0]
            computed = {name for output in node.outputs for name in all_names(output)}
            if not names.isdisjoint(computed) or (operator.endswith("_") and not operator.endswith("__")):
                names.update(name for argument in node.arguments for name in all_names(argument[1]))
                kept.append(node)
        return kept[::-1]

    # -- replaced modules and outputs ----------------------------------------------------------------------------

    def replaced(self, call: ModuleCall) -> None:
        """Calls a user's function in place of a module; its exceptions reach the user as they are."""
        if any(name not in self.values for name in call.inputs):
            return
        label = f"{call.path}, replaced"
        self.builder.origin = label
        given = [self.result({"as_tensor": {"name": name}}, name) for name in call.inputs]
        results = as_tuple(call_replacement(call.path, self.replace[call.path], given, {}, as_tuple))
        self.builder.origin = ""
        if len(results) != len(call.outputs):
            raise GraphError(
                f"{call.path}: the function in replace= must return {counted(len(call.outputs), 'tensor')}; "
                f"it returned {len(results)}"
            )
        self.values.update({name: Tensor(symbol) for name, symbol in zip(call.outputs, results, strict=True)})

    def result(self, value: Any, name: str) -> Any:
        """An output of the model; None if it was not computed, which a problem explains."""
        if any(tensor not in self.values for tensor in all_names(value)):
            return None
        found = self.value(value, f"output '{name}'")
        if isinstance(found, Tensor):
            found = found.value
        if isinstance(found, (*NUMBERS, Symbol, np.ndarray)) or found is None:
            return found
        raise refused_output(found, name)


def _nested(structure: Any, values: list[Any]) -> Any:
    """Values in a structure of indices, see :class:`ExportedModel`."""
    if isinstance(structure, int):
        return values[structure] if structure < len(values) else None
    if structure is None:
        return values
    if isinstance(structure, list):
        return [_nested(part, values) for part in structure]
    ((kind, parts),) = structure.items()
    if kind == "tuple":
        return tuple(_nested(part, values) for part in parts)
    return {key: _nested(part, values) for key, part in parts}
